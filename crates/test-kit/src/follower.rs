//! What a client that recovers knows: its positions, and by them whether an event is the next one.
//!
//! It follows docs/protocol.md to the letter and judges every event: an offset that is not the next one of its stream
//! is a gap or a double. Not here: a socket ([`crate::Client`]); one follower may have several, one after the other.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::client::Client;

/// Where a client stands in its streams.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    positions: BTreeMap<String, (String, u64)>,
    token: Option<String>,
    lost: Vec<String>,
}

impl Follower {
    /// One that has had nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Subscribes recoverably on a new connection, with the positions that it has, and reads the answer. Events that
    /// come before it are left aside, as the protocol asks.
    ///
    /// # Panics
    /// When anything but plain events comes before the answer.
    #[track_caller]
    pub fn subscribe(&mut self, client: &mut Client, channels: &[&str]) -> Value {
        client.send_json(&self.subscribe_frame(channels));
        self.answer(client, "subscribed")
    }

    /// Resumes on a new connection with its token and its positions, and reads the answer, as [`Follower::subscribe`]
    /// does.
    ///
    /// # Panics
    /// When anything but plain events comes before the answer, or it has no token.
    #[track_caller]
    pub fn resume(&mut self, client: &mut Client) -> Value {
        client.send_json(&self.resume_frame());
        self.answer(client, "resumed")
    }

    #[track_caller]
    fn answer(&mut self, client: &mut Client, wanted: &str) -> Value {
        loop {
            let frame = client.next_json();
            if frame["type"] == wanted {
                self.answered(&frame);
                return frame;
            }
            assert!(frame["type"] != "error" && frame.get("offset").is_none(), "before {wanted}: {frame}");
        }
    }

    /// The frame of a recoverable `subscribe`.
    #[must_use]
    pub fn subscribe_frame(&self, channels: &[&str]) -> Value {
        let mut frame = json!({ "type": "subscribe", "channels": channels, "recoverable": true });
        if !self.positions.is_empty() {
            frame["positions"] = self.positions();
        }
        frame
    }

    /// The frame of a `resume`.
    ///
    /// # Panics
    /// When it has no token.
    #[must_use]
    #[track_caller]
    pub fn resume_frame(&self) -> Value {
        json!({ "type": "resume", "token": self.token(), "positions": self.positions() })
    }

    /// The token that it was given last.
    ///
    /// # Panics
    /// When it was given none.
    #[must_use]
    #[track_caller]
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("a token, told before")
    }

    /// Its positions, as frames have them.
    #[must_use]
    pub fn positions(&self) -> Value {
        let position = |(stream, (epoch, offset)): (&String, &(String, u64))| {
            (stream.clone(), json!({ "epoch": epoch, "offset": offset }))
        };
        Value::Object(self.positions.iter().map(position).collect())
    }

    /// The offset of the last event that it had of a stream.
    ///
    /// # Panics
    /// When it does not follow the stream.
    #[must_use]
    #[track_caller]
    pub fn offset(&self, stream: &str) -> u64 {
        self.positions
            .get(stream)
            .unwrap_or_else(|| panic!("{stream} is not followed: {:?}", self.positions))
            .1
    }

    /// The epoch of a stream.
    ///
    /// # Panics
    /// When it does not follow the stream.
    #[must_use]
    #[track_caller]
    pub fn epoch(&self, stream: &str) -> &str {
        &self
            .positions
            .get(stream)
            .unwrap_or_else(|| panic!("{stream} is not followed: {:?}", self.positions))
            .0
    }

    /// The streams of which it was told since it was made that something is missing.
    #[must_use]
    pub fn lost(&self) -> &[String] {
        &self.lost
    }

    /// Takes in a `subscribed` or `resumed`.
    ///
    /// # Panics
    /// When it has not the shape of one.
    #[track_caller]
    pub fn answered(&mut self, answer: &Value) {
        let data = &answer["data"];
        let token = data["resume"].as_str().unwrap_or_else(|| panic!("an answer without a token: {answer}"));
        self.token = Some(token.to_owned());
        let positions = data["positions"].as_object();
        for (stream, told) in positions.unwrap_or_else(|| panic!("an answer without positions: {answer}")) {
            let epoch = told["epoch"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
            let offset = told["offset"].as_u64().unwrap_or_else(|| panic!("{answer}"));
            match told.get("recovered").map(Value::as_bool) {
                Some(Some(true)) => {
                    let own = self.positions.get(stream);
                    assert!(own.is_some_and(|own| own.0 == epoch && own.1 <= offset), "{stream}: {answer}");
                }
                Some(Some(false)) => {
                    self.lost.push(stream.clone());
                    self.positions.insert(stream.clone(), (epoch, offset));
                }
                None => {
                    self.positions.entry(stream.clone()).or_insert((epoch, offset));
                }
                Some(None) => panic!("recovered is no truth value: {answer}"),
            }
        }
    }

    /// Takes in an event; `false` where it is one for this connection alone, which has no place in a stream.
    ///
    /// # Panics
    /// When it is not exactly the next one in every stream that it names.
    #[track_caller]
    pub fn take(&mut self, event: &Value) -> bool {
        if let Err(fault) = self.try_take(event) {
            panic!("{fault}: {event}; positions {:?}", self.positions);
        }
        event["channel"] != "@connection"
    }

    /// As [`Follower::take`]; what is wrong is an answer.
    ///
    /// # Errors
    /// What is wrong with the event.
    pub fn try_take(&mut self, event: &Value) -> Result<(), String> {
        let text = |member: &str| event[member].as_str().ok_or_else(|| format!("no {member}"));
        let (channel, epoch) = (text("channel")?, text("epoch")?);
        let _id = text("id")?;
        let offset = event["offset"].as_u64().ok_or("no offset")?;
        if channel == "@connection" {
            return Ok(());
        }
        let none = Map::new();
        let also = match event.get("also") {
            None => &none,
            Some(Value::Object(also)) if !also.is_empty() && !also.contains_key(channel) => also,
            Some(_) => return Err("also is not the other streams".into()),
        };
        if self.positions.get(channel).is_none_or(|known| known.0 != epoch) {
            return Err(format!("the epoch of {channel} is not the one that was told"));
        }
        let others = also.iter().map(|(stream, offset)| (stream.as_str(), offset.as_u64().unwrap_or(0)));
        let places: Vec<_> = others.chain([(channel, offset)]).collect();
        for &(stream, offset) in &places {
            let known = self.positions.get(stream).ok_or_else(|| format!("{stream} is not followed"))?;
            if offset != known.1 + 1 {
                return Err(format!("{stream} was at {} and goes on with {offset}", known.1));
            }
        }
        for (stream, _) in places {
            if let Some(position) = self.positions.get_mut(stream) {
                position.1 += 1;
            }
        }
        Ok(())
    }

    /// Reads and judges events up to one of this type, that one included.
    ///
    /// # Panics
    /// When one is not the next, or none of the type comes.
    #[track_caller]
    pub fn take_until(&mut self, client: &mut Client, wanted: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = client.next_json();
            self.take(&event);
            let is_last = event["type"] == wanted;
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(offset: u64, also: Value) -> Value {
        json!({ "type": "x", "data": {}, "id": "i", "channel": "jobs", "epoch": "e", "offset": offset, "also": also })
    }

    #[test]
    fn gaps_doubles_and_unknown_streams_are_told() {
        let mut follower = Follower::new();
        let position = |offset: u64| json!({ "epoch": "e", "offset": offset });
        let told = json!({ "resume": "t", "positions": { "jobs": position(4), "user:7": position(1) } });
        follower.answered(&json!({ "data": told }));
        assert_eq!(follower.try_take(&event(5, json!({ "user:7": 2 }))), Ok(()));
        for (wrong, why) in [(5, "a double"), (7, "a gap")] {
            assert!(follower.try_take(&event(wrong, json!({ "user:7": 3 }))).is_err(), "{why}");
        }
        assert!(follower.try_take(&event(6, json!({ "user:7": 4 }))).is_err(), "a gap in the other");
        assert!(follower.try_take(&event(6, json!({ "other": 1 }))).is_err(), "not followed");
        assert_eq!((follower.offset("jobs"), follower.offset("user:7")), (5, 2));
    }
}
