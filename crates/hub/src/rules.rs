//! Channel rules: who may subscribe, who may publish, what history is kept (contract: channels, Identity and
//! permission).
//!
//! For each question the first matching rule that answers it decides. Not here: where rules are read from.

use std::time::Duration;

use protocol::ChannelPattern;
use protocol::channel::outside_namespaces;

use crate::feeds::{FEED_HISTORY, is_feed};
use crate::identity::Identity;

/// A rule of the configuration; a question that it leaves open is left to later rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRule {
    /// The streams that the rule is about: channels, `user:<id>`, `@all`.
    pub pattern: ChannelPattern,
    /// Who may subscribe.
    pub subscribe: Option<SubscribeRule>,
    /// Which API keys may publish.
    pub publish: Option<PublishRule>,
    /// What is kept.
    pub history: Option<HistoryRule>,
}

/// Who may subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscribeRule {
    /// Every connection.
    Anyone,
    /// Every connection with a user.
    SignedIn,
    /// No connection.
    Nobody,
    /// Users of one of these types.
    UserTypes(Vec<String>),
    /// The one user whose id is the template with `{rest}` replaced by what the pattern's `*` stands for.
    User(String),
}

/// Which API keys may publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishRule {
    /// Every key.
    Anyone,
    /// No key.
    Nobody,
    /// The keys with these names.
    Keys(Vec<String>),
}

/// What a stream keeps for those who come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRule {
    /// At most so many publications.
    pub size: u32,
    /// None older than this.
    pub age: Duration,
    /// Whether it is on disk before the publisher gets its answer.
    pub durable: bool,
}

/// Whether connections can have users at all, which decides if rules that need one apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identities {
    /// A JWT key is configured.
    Known,
    /// No JWT key is configured: everyone may subscribe to everything.
    None,
}

/// All rules, the built-in last ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRules {
    rules: Vec<ChannelRule>,
    identities: Identities,
}

/// How many built-in rules there are, at the end.
const BUILT_IN: usize = 3;

impl ChannelRules {
    /// The rules of the configuration, followed by the built-in ones.
    ///
    /// # Panics
    /// Never: the built-in patterns are valid.
    #[must_use]
    pub fn new(mut rules: Vec<ChannelRule>, identities: Identities) -> Self {
        let built_in = |pattern: &str, subscribe| ChannelRule {
            pattern: ChannelPattern::new(pattern).expect("a built-in pattern is valid"),
            subscribe: Some(subscribe),
            publish: Some(PublishRule::Anyone),
            history: None,
        };
        rules.push(built_in("payments", SubscribeRule::UserTypes(vec!["employer".into()])));
        rules.push(built_in("user:*", SubscribeRule::User("{rest}".into())));
        rules.push(ChannelRule {
            history: Some(HistoryRule { size: 1000, age: Duration::from_secs(600), durable: false }),
            ..built_in("*", SubscribeRule::Anyone)
        });
        Self { rules, identities }
    }

    /// The same rules for a hub whose connections can have users, or can't.
    #[must_use]
    pub fn with_identities(mut self, identities: Identities) -> Self {
        self.identities = identities;
        self
    }

    /// Whether every stream keeps by these rules what it keeps by `others`, as far as the rules themselves say: the same
    /// answers in the same order.
    #[must_use]
    pub fn keeps_as(&self, others: &Self) -> bool {
        fn answers(rules: &ChannelRules) -> impl Iterator<Item = (&str, HistoryRule)> {
            rules.rules.iter().filter_map(|rule| Some((rule.pattern.as_str(), rule.history?)))
        }
        answers(self).eq(answers(others))
    }

    /// Puts rules between those of the configuration and the built-in ones.
    #[must_use]
    pub fn with_defaults(mut self, rules: Vec<ChannelRule>) -> Self {
        let built_in = self.rules.len().saturating_sub(BUILT_IN);
        self.rules.splice(built_in..built_in, rules);
        self
    }

    /// The patterns of the rules that want history on disk.
    pub fn durable(&self) -> impl Iterator<Item = &str> {
        self.rules
            .iter()
            .filter(|rule| rule.history.is_some_and(|history| history.durable))
            .map(|rule| rule.pattern.as_str())
    }

    /// The rules as text that is the same wherever they are: what nodes of a cluster compare.
    pub(crate) fn written(&self) -> String {
        let mut text = format!("identities {}\n", self.identities == Identities::Known);
        for ChannelRule { pattern, subscribe, publish, history } in &self.rules {
            let subscribe = subscribe.as_ref().map(|rule| match rule {
                SubscribeRule::Anyone => "anyone".to_owned(),
                SubscribeRule::SignedIn => "signed-in".to_owned(),
                SubscribeRule::Nobody => "nobody".to_owned(),
                SubscribeRule::UserTypes(types) => format!("types {}", types.join("\u{1f}")),
                SubscribeRule::User(template) => format!("user {template}"),
            });
            let publish = publish.as_ref().map(|rule| match rule {
                PublishRule::Anyone => "anyone".to_owned(),
                PublishRule::Nobody => "nobody".to_owned(),
                PublishRule::Keys(names) => format!("keys {}", names.join("\u{1f}")),
            });
            let history = history
                .map(|HistoryRule { size, age, durable }| format!("{size} {} {durable}", age.as_millis()));
            let parts = [subscribe, publish, history].map(Option::unwrap_or_default);
            text += &format!("{}\u{1e}{}\n", pattern.as_str(), parts.join("\u{1e}"));
        }
        text
    }

    fn matching<'s>(&'s self, stream: &'s str) -> impl Iterator<Item = &'s ChannelRule> {
        self.rules.iter().filter(move |rule| rule.pattern.matches(stream))
    }

    /// Whether a connection may subscribe to `channel`.
    #[must_use]
    pub fn may_subscribe(&self, identity: Option<&Identity>, channel: &str) -> bool {
        let by_token = identity
            .and_then(|identity| identity.channels.as_deref())
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(channel)));
        let by_rule =
            self.matching(channel).find_map(|rule| rule.subscribe.as_ref().map(|answer| (rule, answer)));
        by_token
            && match by_rule {
                None => false,
                Some((_, SubscribeRule::Anyone)) => true,
                Some((_, SubscribeRule::Nobody)) => false,
                Some(_) if self.identities == Identities::None => true,
                Some((_, SubscribeRule::SignedIn)) => identity.is_some(),
                Some((_, SubscribeRule::UserTypes(types))) => identity
                    .and_then(|identity| identity.user_type.as_deref())
                    .is_some_and(|user_type| types.iter().any(|allowed| allowed == user_type)),
                Some((rule, SubscribeRule::User(template))) => identity.is_some_and(|identity| {
                    let rest = rule.pattern.rest(channel).unwrap_or_default();
                    template.replace("{rest}", rest) == identity.user.as_str()
                }),
            }
    }

    /// Whether the API key named `key` may publish to `stream`; no key is a publisher on this machine.
    #[must_use]
    pub fn may_publish(&self, key: Option<&str>, stream: &str) -> bool {
        match self.matching(stream).find_map(|rule| rule.publish.as_ref()) {
            None | Some(PublishRule::Nobody) => false,
            Some(PublishRule::Anyone) => true,
            Some(PublishRule::Keys(names)) => key.is_none_or(|key| names.iter().any(|name| name == key)),
        }
    }

    /// Whether every key may publish everywhere, so that nobody needs to ask for each stream.
    #[must_use]
    pub fn publish_is_open(&self) -> bool {
        self.rules.iter().all(|rule| matches!(rule.publish, None | Some(PublishRule::Anyone)))
    }

    /// What is kept of `stream`; of the part of one that is in a namespace, as much as of the whole; of a feed what a rule for
    /// `@feed:` says, whatever other patterns match.
    #[must_use]
    pub fn history(&self, stream: &str) -> Option<HistoryRule> {
        if is_feed(stream) {
            let own = self.matching(stream).filter(|rule| is_feed(rule.pattern.as_str()));
            return own.into_iter().find_map(|rule| rule.history).or(Some(FEED_HISTORY));
        }
        self.matching(outside_namespaces(stream)).find_map(|rule| rule.history)
    }
}

#[cfg(test)]
mod tests {
    use protocol::UserId;

    use super::*;

    fn rule(pattern: &str, subscribe: Option<SubscribeRule>) -> ChannelRule {
        ChannelRule {
            pattern: ChannelPattern::new(pattern).expect("pattern"),
            subscribe,
            publish: None,
            history: None,
        }
    }

    fn user(id: &str, user_type: Option<&str>) -> Identity {
        Identity {
            user: UserId::from_text(id).expect("id"),
            user_type: user_type.map(Into::into),
            channels: None,
            session: None,
            expires_at: 0,
        }
    }

    #[test]
    fn built_in_rules_are_those_of_the_contract() {
        let rules = ChannelRules::new(vec![], Identities::Known);
        let (employer, worker) = (user("1", Some("employer")), user("2", Some("worker")));
        assert!(rules.may_subscribe(Some(&employer), "payments"));
        assert!(!rules.may_subscribe(Some(&worker), "payments") && !rules.may_subscribe(None, "payments"));
        assert!(
            rules.may_subscribe(Some(&worker), "user:2") && !rules.may_subscribe(Some(&worker), "user:1")
        );
        assert!(!rules.may_subscribe(None, "user:1") && rules.may_subscribe(None, "jobs"));
        assert!(rules.may_publish(Some("any"), "@all") && rules.publish_is_open());
        assert_eq!(rules.history("@all").map(|history| history.size), Some(1000));
    }

    #[test]
    fn the_first_rule_that_answers_the_question_decides() {
        let history_only = ChannelRule {
            history: Some(HistoryRule { size: 5, age: Duration::from_secs(1), durable: true }),
            ..rule("orders:*", None)
        };
        let keys =
            ChannelRule { publish: Some(PublishRule::Keys(vec!["shop".into()])), ..rule("orders:*", None) };
        let rules = ChannelRules::new(
            vec![
                history_only,
                keys,
                rule("orders:open", Some(SubscribeRule::Anyone)),
                rule("orders:*", Some(SubscribeRule::SignedIn)),
            ],
            Identities::Known,
        );
        assert!(rules.may_subscribe(None, "orders:open") && !rules.may_subscribe(None, "orders:7"));
        assert!(rules.may_subscribe(Some(&user("1", None)), "orders:7"));
        assert!(rules.may_publish(Some("shop"), "orders:7") && !rules.may_publish(Some("x"), "orders:7"));
        assert!(rules.may_publish(None, "orders:7") && !rules.publish_is_open());
        assert_eq!(rules.history("orders:7").map(|history| history.durable), Some(true));
    }

    #[test]
    fn without_identities_rules_that_need_one_do_not_apply() {
        let rules = ChannelRules::new(vec![rule("closed", Some(SubscribeRule::Nobody))], Identities::None);
        assert!(rules.may_subscribe(None, "payments") && rules.may_subscribe(None, "user:7"));
        assert!(!rules.may_subscribe(None, "closed"));
    }

    #[test]
    fn a_token_with_channels_is_held_to_them_as_well() {
        let rules = ChannelRules::new(vec![], Identities::Known);
        let patterns = vec![ChannelPattern::new("orders:*").expect("pattern")];
        let narrow = Identity { channels: Some(patterns.into()), ..user("1", Some("worker")) };
        assert!(
            rules.may_subscribe(Some(&narrow), "orders:1") && !rules.may_subscribe(Some(&narrow), "jobs")
        );
    }
}
