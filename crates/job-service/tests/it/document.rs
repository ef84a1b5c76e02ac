//! The table of states in `docs/job-service.md` against the running service.

use std::fs;
use std::path::Path;

use crate::harness::{Background, Caller, Engine, Instance, World};

const EMPLOYER: i64 = 1;
const OTHER: i64 = 11;
const WORKER: i64 = 2;

/// Brings a new job into a state of the table.
fn job_in(world: &World, service: &Instance, state: &str) -> i64 {
    let job_id =
        if state.starts_with("open") { service.job(EMPLOYER) } else { service.accepted(EMPLOYER, WORKER) };
    let close = |step: &str| {
        let answer = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    match state {
        "open" | "accepted" => {}
        "completed" => close("complete"),
        "refunded" => close("cancel"),
        "open, deadline passed" | "accepted, deadline passed" => {
            world.change("UPDATE jobs SET deadline = 1 WHERE job_id = $1", &[job_id]);
        }
        other => panic!("the table has a state {other:?} that the test does not know"),
    }
    job_id
}

fn caller(text: &str) -> Caller {
    match text {
        "its employer" => Caller::Employer(EMPLOYER),
        "another employer" | "an employer" => Caller::Employer(OTHER),
        "a worker" | "anyone signed in" => Caller::Worker(3),
        other => panic!("the table has a caller {other:?} that the test does not know"),
    }
}

#[test]
fn the_table_of_states_is_what_the_service_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/job-service.md");
    let text = fs::read_to_string(path).expect("the document");
    let table = text.split("<!-- states -->").nth(1).expect("the table's mark");
    let mut rows = table.lines().map(str::trim).skip_while(|line| !line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let heads = cells(rows.next().expect("a head"));
    let rows: Vec<Vec<String>> = rows.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    assert_eq!((heads.len(), rows.len()), (10, 6), "{heads:?}");
    let (world, service) = World::with(Engine::Sqlite, Background::Off);
    for row in &rows {
        for (head, cell) in heads.iter().zip(row).skip(1) {
            let (action, by) = head.split_once(" by ").expect("an action by somebody");
            let job_id = job_in(&world, &service, &row[0]);
            let call = |caller| match action {
                "GET" => service.get(caller, &format!("/jobs/{job_id}")),
                action => service.post(caller, &format!("/jobs/{job_id}/{action}")),
            };
            let nobody = call(Caller::Nobody);
            assert_eq!(nobody.status, 401, "{} / {head} by nobody", row[0]);
            let answer = call(caller(by));
            let mut words = cell.split_whitespace();
            let status: u16 = words.next().and_then(|word| word.parse().ok()).expect("a status");
            assert_eq!(answer.status, status, "{} / {head}: {}", row[0], answer.text());
            let told = match status {
                200 => answer.json()["status"].as_str().map(str::to_owned),
                409 => {
                    assert_eq!(answer.problem_code(), "wrong_state");
                    answer.json()["state"].as_str().map(str::to_owned)
                }
                _ => None,
            };
            assert_eq!(told.as_deref(), words.next(), "{} / {head}", row[0]);
        }
    }
    world.is_consistent();
}
