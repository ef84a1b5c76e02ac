//! Events that the hub itself answers, by an event to their sender.

use serde_json::json;

use super::*;
use crate::until_the_end;

const WAVE: &str = "[[hooks]]\nevent = \"wave\"\nws = true\nemit = \"waved\"\nto = \"sender\"\n";

#[test]
fn all_connections_of_the_sender_get_it_with_the_same_data_and_nobody_else() {
    let server = hub(WAVE);
    let (mut first, mut second) = (client(&server, 7), client(&server, "7"));
    let (mut other, mut nobody) = (client(&server, 8), Client::welcomed(&server.ws()));
    let data = json!({ "post_id": 12_345_678_901_234_567_890_u64, "platforms": ["x", { "y": null }] });
    send(&mut first, "wave", 1, &data);
    let got = until_the_end(&server, &mut [&mut first, &mut second, &mut other, &mut nobody]);
    let waved = |frame: &Value| frame["type"] == "waved" && frame["data"] == data;
    assert_eq!(got[0].iter().filter(|frame| waved(frame)).count(), 1, "{:?}", got[0]);
    assert_eq!(got[1].len(), 1, "{:?}", got[1]);
    assert!(waved(&got[1][0]));
    assert!(got[2].is_empty() && got[3].is_empty(), "{got:?}");
    let answers: Vec<&Value> =
        got[0].iter().filter(|frame| frame["type"] == "ack").map(|frame| &frame["data"]["answer"]).collect();
    assert_eq!(answers, [&json!({ "success": true })]);
}

#[test]
fn who_has_no_user_gets_it_alone() {
    let server = hub(WAVE);
    let (mut first, mut second) = (Client::welcomed(&server.ws()), Client::welcomed(&server.ws()));
    send(&mut first, "wave", 1, &json!([1]));
    let types = [first.next_json()["type"].take(), first.next_json()["type"].take()];
    assert!(types.contains(&json!("waved")) && types.contains(&json!("ack")), "{types:?}");
    let got = until_the_end(&server, &mut [&mut second]);
    assert!(got[0].is_empty(), "{got:?}");
}

#[test]
fn what_is_mapped_in_a_namespace_is_unknown_on_ws() {
    let server = hub("");
    let mut client = client(&server, 7);
    send(&mut client, "publish_start", 1, &json!({ "post_id": 1, "platforms": [] }));
    client.expect_error("unknown_type");
}
