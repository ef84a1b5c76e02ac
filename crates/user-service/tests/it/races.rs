use std::thread;

use test_kit::http::Answer;

use crate::harness::{World, on_both, refused, registration, text};

/// Eight calls at once.
fn eight(call: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    thread::scope(|scope| {
        let call = &call;
        let calls: Vec<_> = (0..8).map(|n| scope.spawn(move || call(n))).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    })
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[test]
fn of_simultaneous_refreshes_one_wins_and_the_others_are_reuse() {
    on_both(|world| {
        let other = world.beside();
        let anna = world.register("anna@example.com");
        let worlds = [&world, &other];
        let answers = eight(|n| worlds[n % 2].try_refresh(&anna.refresh));
        assert_eq!((count(&answers, 200), count(&answers, 401)), (1, 7));
        for lost in answers.iter().filter(|answer| answer.status == 401) {
            refused(lost, 401, "invalid_refresh_token");
        }
        let won = answers.iter().find(|answer| answer.status == 200).expect("a winner");
        refused(&world.try_refresh(&text(&won.json()["refresh_token"])), 401, "invalid_refresh_token");
        assert_eq!(world.event_types(), ["user_registered", "session_revoked"]);
    });
}

#[test]
fn of_simultaneous_registrations_of_an_address_one_wins() {
    on_both(|world| {
        let other = world.beside();
        let worlds = [&world, &other];
        let spelled = |n: usize| if n < 4 { "anna@example.com" } else { "ANNA@example.com" };
        let answers = eight(|n| worlds[n % 2].post(None, "/auth/register", &registration(spelled(n))));
        assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 7));
        for lost in answers.iter().filter(|answer| answer.status == 409) {
            refused(lost, 409, "email_taken");
        }
        assert_eq!(world.event_types(), ["user_registered"]);
    });
}

#[test]
fn simultaneous_sign_ins_and_endings_leave_no_session_without_its_event() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let body = serde_json::json!({"refresh_token": anna.refresh});
        let answers = eight(|n| match n % 2 {
            0 => world.post(Some(&anna.access), "/auth/logout", &body),
            _ => world.send("POST", Some(&anna.access), "/auth/logout-all", "", b""),
        });
        assert_eq!(count(&answers, 204), 8);
        let events = world.events();
        assert_eq!(events.len(), 2, "whoever ended it told it: {events:?}");
    });
}

#[test]
fn simultaneous_sign_ins_with_the_right_password_all_succeed() {
    let world = World::start(crate::harness::Database::Sqlite);
    world.register("anna@example.com");
    let answers = eight(|_| world.try_login("anna@example.com", crate::harness::PASSWORD));
    assert_eq!(count(&answers, 200), 8);
}
