//! What several do at once.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{Engine, Instance, Wishes, World, hook_at, ids};

/// Messages of each sender.
const EACH: usize = 12;

fn emit(
    chat: &Instance,
    user: i64,
    event: &'static str,
    data: Value,
) -> impl FnOnce() -> Value + Send + 'static {
    let address = chat.address;
    move || {
        let answer = hook_at(address, &json!({"event": event, "data": data, "user_id": user}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// Eight senders in one conversation, four for each of the two, over two instances, and both read meanwhile.
fn of_eight_senders_at_once_ids_rise_and_counts_are_right(engine: Engine) {
    let mut world = World::new(engine);
    let instances = [world.start(Wishes::default()), world.start(Wishes::default())];
    let senders: Vec<_> = (0..8)
        .map(|n| {
            let (from, to) = if n % 2 == 0 { (7, 9) } else { (9, 7) };
            let address = instances[n / 4].address;
            thread::spawn(move || {
                let mut mine = Vec::new();
                for text in 0..EACH {
                    let data = json!({"to_user_id": to, "message": format!("{n}-{text}")});
                    let body = json!({"event": "send_message", "data": data, "user_id": from});
                    let answer = hook_at(address, &body).json();
                    assert_eq!(answer["success"], true, "{answer}");
                    mine.push(answer["id"].as_i64().expect("an id"));
                    // The other reads up to an earlier one.
                    let read =
                        json!({"event": "mark_read", "data": {"message_id": mine[text / 2]}, "user_id": to});
                    assert_eq!(hook_at(address, &read).json()["success"], true);
                }
                mine
            })
        })
        .collect();
    let sent: Vec<Vec<i64>> = senders.into_iter().map(|sender| sender.join().expect("a sender")).collect();
    assert!(sent.iter().all(|mine| mine.windows(2).all(|pair| pair[0] < pair[1])), "ids rise: {sent:?}");
    let mut all: Vec<i64> = sent.concat();
    all.sort_unstable();
    let total = i64::try_from(8 * EACH).expect("small");
    assert_eq!(all, (1..=total).collect::<Vec<_>>(), "each id once, and no gaps");
    let received: Vec<i64> = world
        .events_of("message_received")
        .iter()
        .map(|event| event["data"]["id"].as_i64().expect("an id"))
        .collect();
    assert_eq!(received, all, "events are in the order of ids");
    let [chat, _] = &instances;
    let mut seen = Vec::new();
    let mut path = "/api/chat/9/messages?limit=100".to_owned();
    loop {
        let page = chat.read(7, &path);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_i64() else { break };
        path = format!("/api/chat/9/messages?limit=100&before={next}");
    }
    seen.reverse();
    assert_eq!(seen, all);
    for (user, other) in [(7, 9), (9, 7)] {
        let list = chat.read(user, "/api/chat/conversations");
        let item = &list["items"][0];
        assert_eq!(list["items"].as_array().expect("items").len(), 1);
        let position = item["last_read_id"].as_i64().expect("a position");
        let page = chat.read(user, &format!("/api/chat/{other}/messages?limit=100"));
        let unread = page["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter(|item| item["to_user_id"] == user && item["id"].as_i64() > Some(position))
            .count();
        assert_eq!(item["unread_count"], unread, "{user}");
        assert_eq!(chat.read(user, "/api/chat/unread")["unread_count"], unread, "{user}");
        assert_eq!(item["last_message"]["id"], total);
        // Each position that was told moved forward.
        let told: Vec<i64> = world
            .events_of("message_read")
            .iter()
            .filter(|event| event["data"]["user_id"] == user)
            .map(|event| event["data"]["message_id"].as_i64().expect("an id"))
            .collect();
        assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{user}: {told:?}");
        assert_eq!(told.last(), Some(&position), "{user}");
        let read = chat.emit(user, "mark_read", &json!({"message_id": last_to(&page, user)}));
        assert_eq!(read["unread_count"], 0);
        assert_eq!(chat.read(user, "/api/chat/unread")["unread_count"], 0);
    }
}

/// The latest message to a user.
fn last_to(page: &Value, user: i64) -> Value {
    let items = page["items"].as_array().expect("items");
    items.iter().find(|item| item["to_user_id"] == user).expect("a message")["id"].clone()
}

#[test]
fn of_eight_senders_at_once_ids_rise_and_counts_are_right_on_sqlite() {
    of_eight_senders_at_once_ids_rise_and_counts_are_right(Engine::Sqlite);
}

#[test]
fn of_eight_senders_at_once_ids_rise_and_counts_are_right_on_postgres() {
    of_eight_senders_at_once_ids_rise_and_counts_are_right(Engine::Postgres);
}

fn of_two_who_read_at_once_one_is_told(engine: Engine) {
    let (world, chat) = World::with(engine);
    (0..4).for_each(|n| {
        chat.send(7, 9, &n.to_string());
    });
    let id = chat.send(7, 9, "the last");
    let readers: Vec<_> =
        (0..6).map(|_| thread::spawn(emit(&chat, 9, "mark_read", json!({"message_id": id})))).collect();
    for reader in readers {
        let answer = reader.join().expect("a reader");
        assert_eq!(answer, json!({"success": true, "message_id": id, "unread_count": 0}));
    }
    assert_eq!(world.events_of("message_read").len(), 1);
    assert_eq!(chat.read(9, "/api/chat/unread")["unread_count"], 0);
}

#[test]
fn of_two_who_read_at_once_one_is_told_on_sqlite() {
    of_two_who_read_at_once_one_is_told(Engine::Sqlite);
}

#[test]
fn of_two_who_read_at_once_one_is_told_on_postgres() {
    of_two_who_read_at_once_one_is_told(Engine::Postgres);
}

/// Everybody writes to everybody and reads: whoever takes locks in another order than the others would wait for ever.
#[test]
fn many_conversations_at_once_do_not_lock_each_other_out_on_postgres() {
    let (world, chat) = World::with(Engine::Postgres);
    let users: Vec<_> = (1..=6_i64)
        .map(|me| {
            let address = chat.address;
            thread::spawn(move || {
                for round in 0..4 {
                    for other in (1..=6).filter(|other| *other != me) {
                        let data = json!({"to_user_id": other, "message": format!("{me}-{round}")});
                        let sent =
                            hook_at(address, &json!({"event": "send_message", "data": data, "user_id": me}))
                                .json();
                        assert_eq!(sent["success"], true, "{sent}");
                        let data = json!({"message_id": sent["id"]});
                        let read =
                            hook_at(address, &json!({"event": "mark_read", "data": data, "user_id": other}))
                                .json();
                        assert_eq!(read["success"], true, "{read}");
                    }
                }
            })
        })
        .collect();
    users.into_iter().for_each(|user| user.join().expect("a user"));
    assert_eq!(world.number("SELECT COUNT(*) FROM messages"), 120);
    assert_eq!(world.number("SELECT CAST(SUM(total) AS BIGINT) FROM unread"), 0);
    assert_eq!(world.number("SELECT CAST(SUM(received - read_nth) AS BIGINT) FROM conversations"), 0);
}
