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
    // Once it is acknowledged it is on its way to all; the acknowledgement may overtake it.
    let mut of_first = first.collect_until("ack");
    let mut got = until_the_end(&server, &mut [&mut first, &mut second, &mut other, &mut nobody]);
    of_first.append(&mut got[0]);
    of_first.sort_by_key(|frame| frame["type"].to_string());
    let waved = |frame: &Value| frame["type"] == "waved" && frame["data"] == data;
    assert!(of_first.len() == 2 && waved(&of_first[1]), "{of_first:?}");
    assert_eq!(of_first[0]["data"]["answer"], json!({ "success": true }));
    assert!(got[1].len() == 1 && waved(&got[1][0]), "{:?}", got[1]);
    assert!(got[2].is_empty() && got[3].is_empty(), "{got:?}");
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
