use protocol::{ChannelPattern, UserId};

use super::*;

#[test]
fn the_engine_gets_everything_that_the_token_says() {
    let token = VerifiedToken {
        user_id: UserId::from_json("456").expect("user"),
        user_type: Some("worker".into()),
        channels: Some(vec![ChannelPattern::new("jobs").expect("pattern")]),
        session: Some("s-1".into()),
        expires_at: 1_800_000_060,
    };
    let identity = identity(token.clone());
    assert_eq!((identity.user, identity.expires_at), (token.user_id, token.expires_at));
    assert_eq!(identity.user_type.as_deref(), Some("worker"));
    assert_eq!(identity.session.as_deref(), Some("s-1"));
    assert_eq!(identity.channels.as_deref(), token.channels.as_deref());
}
