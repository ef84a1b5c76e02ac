//! What is sent to Firebase (HTTP v1, `messages:send`): a notification, a digest, a withdrawal. Pure.
//!
//! Each notification has a tag (`n12`), a digest too (`d…`); a device shows one of a tag, so that a message that came twice
//! is seen once: Android by `tag`, Apple by `apns-collapse-id`, browsers by the `Topic` of web push (while it waits) and the
//! `tag` of what they show. A withdrawal names tags, and an app or a service worker takes away what they show.
//!
//! Firebase takes 4,096 bytes; long texts are shortened, and `data` goes along only where it is small.

use serde_json::{Map, Value, json};

use crate::notification::Priority;

#[cfg(test)]
mod tests;

/// The longest title and text, in bytes of JSON, that are sent; together with all else below Firebase's 4,096.
const MOST_TITLE: usize = 600;
const MOST_TEXT: usize = 1_000;

/// The longest `data` that goes along, in bytes of JSON in JSON.
const MOST_DATA: usize = 1_000;

/// How long Firebase keeps what it can't deliver, in seconds: four weeks, its most.
const MOST_TTL: i64 = 28 * 86_400;

/// What a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Web,
    Android,
    Ios,
}

impl Platform {
    pub(crate) const ALL: [Self; 3] = [Self::Web, Self::Android, Self::Ios];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Android => "android",
            Self::Ios => "ios",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == text)
    }
}

/// Whether a push makes a noise where its device lets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    Sound,
    Silent,
}

/// What is told of a notification.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) id: i64,
    pub(super) event_id: String,
    /// `type` on the wire.
    pub(super) kind: String,
    pub(super) category: String,
    pub(super) title: String,
    pub(super) message: String,
    /// A JSON object.
    pub(super) data: String,
    pub(super) priority: Priority,
    /// In microseconds since 1970.
    pub(super) expires_at: Option<i64>,
}

/// What a digest tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) count: i64,
    /// How many of each category, as JSON.
    pub(super) by_category: String,
}

/// What a notification's tag is.
pub(super) fn tag(notification_id: i64) -> String {
    format!("n{notification_id}")
}

/// What a digest's tag is: within the 32 characters of a web push's `Topic` (RFC 8030 §5.4).
pub(super) fn digest_tag(digest_id: &str) -> String {
    let digits: String = digest_id.chars().filter(char::is_ascii_hexdigit).collect();
    // The last digits of a UUID are its random ones.
    format!("d{}", digits.get(digits.len().saturating_sub(24)..).unwrap_or_default())
}

/// A notification for a device. `now` is in microseconds since 1970.
pub(super) fn notification(subject: &Subject, device: (&str, Platform), noise: Noise, now: i64) -> Value {
    let mut data = Map::new();
    data.insert("notification_id".to_owned(), json!(subject.id.to_string()));
    data.insert("event_id".to_owned(), json!(subject.event_id));
    data.insert("type".to_owned(), json!(subject.kind));
    data.insert("category".to_owned(), json!(subject.category));
    data.insert("tag".to_owned(), json!(tag(subject.id)));
    let more = subject.data.as_str();
    if more != "{}" && escaped(more) <= MOST_DATA {
        data.insert("data".to_owned(), json!(more));
    }
    let ttl = subject.expires_at.map_or(MOST_TTL, |at| ((at - now) / 1_000_000).clamp(0, MOST_TTL));
    let shown = Shown {
        title: short(&subject.title, MOST_TITLE),
        body: short(&subject.message, MOST_TEXT),
        tag: tag(subject.id),
        thread: &subject.category,
        urgency: urgency(subject.priority),
        noise,
        ttl,
        now,
    };
    shown.message(device, data)
}

/// A digest for a device.
pub(super) fn digest(digest: &Digest, device: (&str, Platform), noise: Noise, now: i64) -> Value {
    let tag = digest_tag(&digest.id);
    let mut data = Map::new();
    data.insert("type".to_owned(), json!("notification_digest"));
    data.insert("tag".to_owned(), json!(tag));
    data.insert("count".to_owned(), json!(digest.count.to_string()));
    data.insert("by_category".to_owned(), json!(digest.by_category));
    let shown = Shown {
        title: short(&digest.title, MOST_TITLE),
        body: short(&digest.body, MOST_TEXT),
        tag,
        thread: "digest",
        urgency: Urgency::Normal,
        noise,
        ttl: 86_400,
        now,
    };
    shown.message(device, data)
}

/// What takes away what a device shows: notifications and whole digests.
pub(super) fn withdrawal(ids: &[i64], tags: &[String], device: (&str, Platform), now: i64) -> Value {
    let (token, platform) = device;
    let data = json!({
        "type": "notification_withdrawn",
        "notification_ids": json!(ids).to_string(),
        "tags": json!(tags).to_string(),
    });
    let mut message = json!({ "token": token, "data": data });
    match platform {
        Platform::Android => message["android"] = json!({ "priority": "NORMAL", "ttl": "86400s" }),
        Platform::Ios => {
            message["apns"] = json!({
                "headers": {
                    "apns-push-type": "background",
                    "apns-priority": "5",
                    "apns-expiration": (now / 1_000_000 + 86_400).to_string(),
                },
                "payload": { "aps": { "content-available": 1 } },
            });
        }
        Platform::Web => {
            let mut headers = json!({ "TTL": "86400", "Urgency": "low" });
            if let [only] = tags {
                // In place of what the browser has not got yet.
                headers["Topic"] = json!(only);
            }
            message["webpush"] = json!({ "headers": headers });
        }
    }
    json!({ "message": message })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Low,
    Normal,
    High,
}

fn urgency(priority: Priority) -> Urgency {
    match priority {
        Priority::Low => Urgency::Low,
        Priority::Normal => Urgency::Normal,
        Priority::High | Priority::Urgent => Urgency::High,
    }
}

/// What a device shows.
struct Shown<'a> {
    title: String,
    body: String,
    tag: String,
    thread: &'a str,
    urgency: Urgency,
    noise: Noise,
    /// In seconds.
    ttl: i64,
    now: i64,
}

impl Shown<'_> {
    fn message(self, (token, platform): (&str, Platform), data: Map<String, Value>) -> Value {
        let mut message = json!({
            "token": token,
            "notification": { "title": self.title, "body": self.body },
            "data": data,
        });
        let sounds = self.noise == Noise::Sound && self.urgency != Urgency::Low;
        match platform {
            Platform::Android => {
                // Somebody is to see it soon: what can wait waits until the phone wakes by itself.
                let priority = if self.urgency == Urgency::Low { "NORMAL" } else { "HIGH" };
                message["android"] = json!({
                    "priority": priority,
                    "ttl": format!("{}s", self.ttl),
                    "notification": { "tag": self.tag, "default_sound": sounds },
                });
            }
            Platform::Ios => {
                let mut aps = json!({ "thread-id": self.thread });
                if sounds {
                    aps["sound"] = json!("default");
                }
                message["apns"] = json!({
                    "headers": {
                        "apns-collapse-id": self.tag,
                        "apns-priority": if self.urgency == Urgency::Low { "5" } else { "10" },
                        "apns-expiration": (self.now / 1_000_000 + self.ttl).to_string(),
                    },
                    "payload": { "aps": aps },
                });
            }
            Platform::Web => {
                let urgency = match self.urgency {
                    Urgency::Low => "low",
                    Urgency::Normal => "normal",
                    Urgency::High => "high",
                };
                message["webpush"] = json!({
                    "headers": { "Topic": self.tag, "TTL": self.ttl.to_string(), "Urgency": urgency },
                    "notification": { "tag": self.tag, "silent": !sounds },
                });
            }
        }
        json!({ "message": message })
    }
}

/// A text's bytes as a JSON string.
fn escaped(text: &str) -> usize {
    text.chars().map(width).sum::<usize>() + 2
}

fn width(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if u32::from(c) < 0x20 => 6,
        c => c.len_utf8(),
    }
}

/// The text, or as much of its beginning as has room, and an ellipsis.
fn short(text: &str, most: usize) -> String {
    if escaped(text) <= most {
        return text.to_owned();
    }
    let mut room = most.saturating_sub(2 + '…'.len_utf8());
    let mut shortened = String::new();
    for c in text.chars() {
        match room.checked_sub(width(c)) {
            Some(left) => room = left,
            None => break,
        }
        shortened.push(c);
    }
    shortened.push('…');
    shortened
}
