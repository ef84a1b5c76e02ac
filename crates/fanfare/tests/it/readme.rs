//! The README's tour of the services, word for word but for the port.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use test_kit::Launch;

use crate::stack::{directory, eventually};

/// The shell blocks of a step of the tour, in their order.
fn blocks(step: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let text = fs::read_to_string(path).expect("the README");
    let begin = text.find(step).unwrap_or_else(|| panic!("README.md has no step {step}"));
    let rest = &text[begin + step.len()..];
    let end = rest.find("\n**").unwrap_or(rest.len());
    let fenced = rest[..end].split("```sh\n").skip(1);
    fenced.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// A shell in which `fanfare` is the tests' own, and the hub where it is.
fn shell(script: &str, url: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_fanfare")).parent().expect("a directory");
    let script = script.replace("$PWD/target/release", &programs.to_string_lossy());
    let script = script.replace("http://127.0.0.1:8080", url);
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).env("WS_SERVICE_URL", url).stdin(Stdio::null());
    command
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_tour_of_a_job_from_post_to_pay_shows_what_it_promises() {
    let server =
        Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", directory()).start();
    let url = server.http();
    let [first, watch, story] = blocks("**7. A job").try_into().expect("three blocks: sign up, watch, work");
    let signed_up = shell(&first, &url).output().expect("bash");
    assert!(signed_up.status.success(), "{}", String::from_utf8_lossy(&signed_up.stderr));
    let seen = directory();
    fs::create_dir_all(&seen).expect("a directory");
    let output = fs::File::create(seen.join("seen")).expect("a file");
    // The last command takes the shell's place, so that ending it ends the watching.
    let watch = watch.replace("fanfare tail", "exec fanfare tail");
    let _watching = Ended(shell(&watch, &url).stdout(output).spawn().expect("bash"));
    eventually("somebody watches", || server.stats()["by_channel"]["payments"] == 1);
    let told = shell(&format!("{first}\n{story}"), &url).output().expect("bash");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
    assert!(text.contains("{\"balance_usd\":25.5,\"held_usd\":0,"), "{text}");
    eventually("all events have come", || {
        let seen = fs::read_to_string(seen.join("seen")).unwrap_or_default();
        ["payment_held", "job_created", "job_accepted", "payment_confirmed", "job_completed"]
            .iter()
            .all(|name| seen.contains(name))
    });
}
