//! `--healthcheck`: a second, short process of the same program asks the one that serves whether it is well.
//!
//! Made for images without a shell and without curl: a container runtime runs the program itself with this flag, in the
//! environment of the one that serves. It takes `HOST` and `PORT` from there, or from the flags beside it, reads nothing
//! else (no secret, no file), and ends with 0 where `GET /health` is answered 2xx, with 1 and a line where it is not.
//! Where the port speaks TLS (`TLS_CERT_FILE`) it asks only whether somebody takes connections there.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The flag.
const FLAG: &str = "--healthcheck";

/// How long the whole check may take; container runtimes give up after a few seconds more.
const PATIENCE: Duration = Duration::from_secs(3);

/// How much of the answer is read at most: a status line is all that is looked at.
const MOST: usize = 512;

/// The flag as one of a program's settings, so that `--help` and the documentation have it. [`asked`] comes before
/// settings are read, so the field itself is never looked at.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub struct HealthcheckFlag {
    /// Asks the process that serves on HOST and PORT for /health, and exits with 0 where it is well, else with 1: for
    /// containers.
    #[arg(long, help_heading = "Process")]
    pub healthcheck: bool,
}

/// Where `--healthcheck` is among the arguments (the program's name first): checks, says on standard error what is wrong,
/// and gives the exit code. `port` is the program's default port.
pub fn asked(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    port: u16,
) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    if !args.iter().skip(1).any(|argument| argument == FLAG) {
        return None;
    }
    let env: Vec<(OsString, OsString)> = env.into_iter().collect();
    Some(match Target::of(&args, &env, port).and_then(Target::check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Unwell(why)) => {
            let program = args.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            eprintln!("{program}: {why}");
            ExitCode::FAILURE
        }
    })
}

/// Why a check failed, in one line.
#[derive(Debug, PartialEq, Eq)]
struct Unwell(String);

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    address: SocketAddr,
    /// The port speaks TLS, which this program's check does not.
    encrypted: bool,
}

impl Target {
    /// From flags, else from variables, else the default.
    fn of(args: &[OsString], env: &[(OsString, OsString)], port: u16) -> Result<Self, Unwell> {
        let host = match setting(args, "--host").or_else(|| variable(env, "HOST")) {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(text) if text == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(text) => match text.parse() {
                // What listens on all addresses listens on loopback's.
                Ok(IpAddr::V4(ip)) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                Ok(IpAddr::V6(ip)) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
                Ok(ip) => ip,
                Err(_) => return Err(Unwell(format!("HOST: {text:?} is no IP address"))),
            },
        };
        let port = match setting(args, "--port").or_else(|| variable(env, "PORT")) {
            None => port,
            Some(text) => text.parse().map_err(|_| Unwell(format!("PORT: {text:?} is no port")))?,
        };
        if port == 0 {
            return Err(Unwell("PORT: 0 takes any free port, so nobody knows where to ask".to_owned()));
        }
        let tls = setting(args, "--tls-cert-file").or_else(|| variable(env, "TLS_CERT_FILE"));
        Ok(Self { address: SocketAddr::new(host, port), encrypted: tls.is_some() })
    }

    /// Asks, within [`PATIENCE`].
    fn check(self) -> Result<(), Unwell> {
        let end = Instant::now() + PATIENCE;
        let failed = |error: io::Error| Unwell(format!("{}: {error}", self.address));
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).map_err(failed)?;
        if self.encrypted {
            return Ok(());
        }
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let host = self.address;
        let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let line = first_line(&mut stream, end).map_err(failed)?;
        match line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(Unwell(format!("http://{}/health is answered {status}", self.address))),
            None => Err(Unwell(format!("http://{}/health is not answered in HTTP", self.address))),
        }
    }
}

/// The answer's first line, as far as it fits into [`MOST`].
fn first_line(stream: &mut TcpStream, end: Instant) -> io::Result<String> {
    let mut read = Vec::new();
    let mut buffer = [0; MOST];
    while read.len() < MOST && !read.contains(&b'\n') {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
            }
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&read);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The last value of a flag, as `--flag value` or `--flag=value`.
fn setting(args: &[OsString], flag: &str) -> Option<String> {
    let texts: Vec<&str> = args.iter().filter_map(|argument| argument.to_str()).collect();
    let joined = texts.iter().filter_map(|text| text.strip_prefix(flag)?.strip_prefix('='));
    let apart = texts.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1]);
    joined.chain(apart).last().map(str::to_owned)
}

/// A variable; an empty one is the same as unset.
fn variable(env: &[(OsString, OsString)], name: &str) -> Option<String> {
    let (_, value) = env.iter().rev().find(|(known, _)| known == OsStr::new(name))?;
    let text = value.to_string_lossy();
    (!text.is_empty()).then(|| text.into_owned())
}
