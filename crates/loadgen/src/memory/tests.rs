use super::*;

const SUBSCRIBED: &[u8] = br#"{"type":"subscribed","data":{"channels":["jobs"],"positions":{"@all":{"epoch":"AAAAAAAA","offset":0},"jobs":{"epoch":"3q2-7wAB","offset":16}},"resume":"t.1"},"timestamp":"2025-11-01T12:00:00.000Z"}"#;
const EVENT: &[u8] = br#"{"type":"bench","data":{"s":"0000000001","offset":3},"timestamp":"2025-11-01T12:00:00.000Z","id":"019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55","channel":"jobs","offset":17,"epoch":"3q2-7wAB"}"#;

#[test]
fn a_client_comes_back_with_the_last_event_that_it_had() {
    let mut memory = Memory::default();
    assert_eq!(
        memory.request("jobs", Return::Resume),
        r#"{"type":"subscribe","channels":["jobs"],"recoverable":true,"positions":{}}"#
    );
    assert_eq!(memory.learn(SUBSCRIBED).unwrap(), Told::default());
    assert!(memory.follow(EVENT));
    let positions =
        r#""positions":{"@all":{"epoch":"AAAAAAAA","offset":0},"jobs":{"epoch":"3q2-7wAB","offset":17}}}"#;
    let resume = memory.request("jobs", Return::Resume);
    assert_eq!(resume, format!(r#"{{"type":"resume","token":"t.1",{positions}"#));
    // The token works once.
    let subscribe = memory.request("jobs", Return::Resume);
    assert_eq!(
        subscribe,
        format!(r#"{{"type":"subscribe","channels":["jobs"],"recoverable":true,{positions}"#)
    );
}

#[test]
fn an_event_that_does_not_come_next_is_noticed() {
    let mut memory = Memory::default();
    memory.learn(SUBSCRIBED).unwrap();
    assert!(memory.follow(EVENT));
    assert!(!memory.follow(EVENT));
    assert!(!memory.follow(br#"{"type":"bench","data":{},"timestamp":"S"}"#));
}

#[test]
fn recovered_streams_count_on_and_others_begin_where_told() {
    let mut memory = Memory::default();
    memory.learn(SUBSCRIBED).unwrap();
    let told = memory
        .learn(br#"{"data":{"positions":{"jobs":{"epoch":"3q2-7wAB","offset":99,"recovered":true},"@all":{"epoch":"BBBBBBBB","offset":5,"recovered":false}}}}"#)
        .unwrap();
    assert_eq!(told, Told { recovered: 1, gaps: 1 });
    assert!(memory.follow(EVENT));
    assert!(memory.request("jobs", Return::Subscribe).contains(r#""@all":{"epoch":"BBBBBBBB","offset":5}"#));
}

#[test]
fn a_server_without_recovery_is_named() {
    assert!(Memory::default().learn(br#"{"type":"subscribed","data":{"channels":[]}}"#).is_err());
}
