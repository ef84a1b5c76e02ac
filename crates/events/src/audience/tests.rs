use super::*;

fn user(id: i64) -> UserId {
    UserId::new(id).expect("an id")
}

#[test]
fn a_user_who_is_named_twice_stands_once() {
    let audience = AudienceRule::ChannelAndParties(JOBS_CHANNEL).of(vec![user(7), user(9), user(7)]);
    assert_eq!(audience, Audience::Named { channel: Some("jobs"), users: vec![user(7), user(9)] });
}

#[test]
fn without_its_channel_an_audience_is_the_parties_alone() {
    let audience = AudienceRule::ChannelAndParties(PAYMENTS_CHANNEL).of(vec![user(7)]).without_channel();
    assert_eq!(audience, Audience::Named { channel: None, users: vec![user(7)] });
    assert_eq!(Audience::Everyone.without_channel(), Audience::Everyone);
}
