use super::*;

const T: i64 = 1_795_000_000_000_000;

fn told(connections: i64, steps: &[(i64, Kind, &str)]) -> String {
    let now = T + 60_000_000;
    let facts = Facts { user: "7", category: "jobs", created_at: T, connections, hub_tells: true, now };
    let steps: Vec<Step> =
        steps.iter().map(|(after, kind, words)| Step::new(T + after * 1_000_000, *kind, *words)).collect();
    verdict(&facts, &steps)
}

#[test]
fn one_sentence_answers_why_somebody_did_not_get_it() {
    use Kind::*;
    let when = |seconds: i64| instant::show(T + seconds * 1_000_000);
    let (t0, t1, t9) = (when(0), when(1), when(9));
    for (connections, steps, sentence) in [
        (
            0,
            vec![(0, Filtered, "")],
            "User 7 has turned off in-app notifications of the category jobs.".to_owned(),
        ),
        (
            0,
            vec![(0, Filtered, ""), (1, Pushed, "it was pushed to Pixel 8")],
            format!(
                "User 7 has turned off in-app notifications of the category jobs; it was pushed to Pixel 8 at {t1}."
            ),
        ),
        (
            2,
            vec![
                (0, Sent, ""),
                (1, Sent, ""),
                (9, PushFailed, "push to Pixel 8 failed: Firebase says UNREGISTERED, the device was removed"),
            ],
            format!(
                "Sent to 2 connections of user 7 at {t0}, none of which answered; push to Pixel 8 failed: Firebase says UNREGISTERED, the device was removed."
            ),
        ),
        (
            0,
            vec![(9, PushSkipped, "the user has no device")],
            "The hub told of no connection of user 7; the user has no device.".to_owned(),
        ),
        (
            0,
            vec![
                (0, Waiting, "the hub has not been told of it yet"),
                (20, PushWaiting, "a push is due at 12:00:10"),
            ],
            "The hub has not been told of it yet; a push is due at 12:00:10.".to_owned(),
        ),
        (
            0,
            vec![(0, Refused, "the hub did not take it: 422 invalid: x")],
            "The hub did not take it: 422 invalid: x.".to_owned(),
        ),
        (
            1,
            vec![
                (0, Sent, ""),
                (9, Pushed, "it was pushed to Pixel 8"),
                (9, Pushed, "it was pushed to iPad"),
            ],
            format!(
                "Sent to 1 connection of user 7 at {t0}, which did not answer; it was pushed to 2 devices at {t9}."
            ),
        ),
        (
            1,
            vec![(0, Sent, ""), (1, Delivered, ""), (9, PushCancelled, "not needed")],
            format!("It reached 1 connection of user 7 at {t1} and is not read yet."),
        ),
        (
            1,
            vec![(0, Sent, ""), (1, Delivered, ""), (9, Expired, "")],
            format!("It reached 1 connection of user 7 at {t1} and expired at {t9} without being read."),
        ),
        (
            1,
            vec![(0, Sent, ""), (1, Seen, "")],
            format!("It was shown to user 7 at {t1} and is not read yet."),
        ),
        (1, vec![(1, Seen, ""), (9, Read, "")], format!("User 7 read it at {t9}.")),
        (1, vec![(1, Read, ""), (9, Deleted, "")], format!("User 7 read it at {t1} and deleted it at {t9}.")),
        (
            1,
            vec![(0, Sent, ""), (1, Delivered, ""), (9, Deleted, "")],
            format!("It reached 1 connection of user 7 at {t1}; the user deleted it at {t9}."),
        ),
        (0, vec![(9, Deleted, "")], format!("User 7 deleted it at {t9}.")),
        (
            0,
            vec![(1, Expired, ""), (1, PushCancelled, "the push was cancelled: it expired")],
            format!(
                "The hub told of no connection of user 7; the push was cancelled: it expired; it expired at {t1}."
            ),
        ),
    ] {
        assert_eq!(told(connections, &steps), sentence);
    }
    let new = Facts { user: "7", category: "jobs", created_at: T, connections: 0, hub_tells: false, now: T };
    assert_eq!(verdict(&new, &[]), "The hub has it, and has not told yet to whom it went.");
    let later = verdict(&Facts { now: T + 60_000_000, ..new }, &[]);
    assert!(later.contains("or it has no delivery hook"), "{later}");
    // Too soon to say that nobody answers.
    assert!(told(1, &[(58, Sent, "")]).contains("which may still answer"));
}
