use hub_client::{HubClient, HubSettings, Message, PublishError};
use serde_json::json;
use test_kit::Client;

use crate::world::{client, hub, hub_at, run};

#[test]
fn a_message_reaches_the_channels_and_users_that_it_names() {
    run(async {
        let hub = hub().start();
        let mut subscriber = Client::welcomed(&hub.ws());
        subscriber.subscribe(&["jobs"]);
        let mut message = Message::new("job_accepted", json!({"job_id": 7}));
        message.channels = Some(vec!["jobs".to_owned()]);
        message.timestamp = Some("2025-11-01T12:00:00.000Z".to_owned());
        let published = client(hub.address(), None).publish(&message, None).await.expect("published");
        assert_eq!(published.recipients, 1);
        let event = subscriber.expect_type("job_accepted");
        assert_eq!(event["data"], json!({"job_id": 7}));
        assert_eq!(event["timestamp"], "2025-11-01T12:00:00.000Z");
        // Nobody is addressed by an empty list, which is not the same as none.
        message.channels = None;
        message.user_ids = Some(Vec::new());
        let published = client(hub.address(), None).publish(&message, None).await.expect("published");
        assert_eq!(published.recipients, 0);
    });
}

#[test]
fn a_message_may_have_an_id_of_its_own() {
    run(async {
        let hub = hub().start();
        let id = uuid::Uuid::now_v7();
        let message = Message { publication_id: Some(id), ..Message::new("one", json!({})) };
        let published = client(hub.address(), None).publish(&message, None).await.expect("published");
        assert_eq!(published.id, id.to_string());
    });
}

#[test]
fn a_repeated_key_is_the_first_publication_again() {
    run(async {
        let hub = hub().start();
        let client = client(hub.address(), None);
        let first = client.publish(&Message::new("one", json!({})), Some("k-1")).await.expect("published");
        let again = client.publish(&Message::new("one", json!({})), Some("k-1")).await.expect("published");
        assert_eq!(first, again);
    });
}

#[test]
fn a_message_waits_for_a_hub_that_is_just_starting() {
    run(async {
        let address = test_kit::free_address();
        let client = client(address, None);
        let message = Message::new("one", json!({}));
        let starting = std::thread::spawn(move || hub_at(address));
        let mut settings = HubSettings::new(format!("http://{address}"));
        settings.attempts = 100;
        let patient = HubClient::new(&settings).expect("a client");
        patient.publish(&message, None).await.expect("published in the end");
        let hub = starting.join().expect("a hub");
        assert!(client.is_healthy().await);
        drop(hub);
        assert!(!client.is_healthy().await);
    });
}

#[test]
fn what_the_hub_refuses_is_told_with_its_code_and_not_tried_again() {
    run(async {
        let hub = hub().env("FANFARE_API_KEYS", "shop:a-secret-key").start();
        let error =
            client(hub.address(), Some("another-key")).publish(&Message::new("x", json!({})), None).await;
        let error = error.expect_err("refused");
        assert!(
            matches!(&error, PublishError::Refused { status: 401, code, .. } if code == "key_unknown"),
            "{error:?}"
        );
        assert!(!error.is_temporary());
        let wrong =
            client(hub.address(), Some("a-secret-key")).publish(&Message::new("", json!({})), None).await;
        assert!(matches!(wrong, Err(PublishError::Refused { status: 422, .. })), "{wrong:?}");
    });
}

#[test]
fn an_address_that_is_none_is_told_at_the_start() {
    for wrong in ["", "hub:8080", "ftp://hub", "http://"] {
        assert!(
            matches!(HubClient::new(&HubSettings::new(wrong)), Err(PublishError::Settings(_))),
            "{wrong}"
        );
    }
    let mut settings = HubSettings::new("ws://127.0.0.1:9/ws");
    settings.key = Some("secret-key".to_owned());
    assert!(!format!("{settings:?}").contains("secret-key"));
}
