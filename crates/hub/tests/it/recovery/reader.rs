//! A service that reads the feed by pages, and outlives the hub: it sees every event of the feed once and in order, or hears
//! that it may have missed some.

use protocol::Position;

use super::model::{FEED, Number};
use super::world::World;

#[derive(Default)]
pub(crate) struct Reader {
    /// Where it stands.
    at: Option<Position>,
}

impl World {
    /// Reads a page of `most` events.
    pub(crate) fn read_feed(&mut self, most: usize) {
        self.publishers.settle(&mut self.model);
        let page = self.hub.read_feed("f", self.reader.at, most, self.now.wall).expect("the feed");
        self.compare();
        let stream = &self.model.streams[FEED];
        let life = stream.life();
        assert_eq!((page.end, life.floor() <= page.end), (life.end(), true), "the end of the feed");
        let from = match self.reader.at {
            Some(at) if page.recovered => {
                assert_eq!(at.epoch, page.epoch, "it goes on in another life");
                assert!(at.offset >= life.floor(), "events are missing, and it is not told");
                at.offset
            }
            Some(at) => {
                let is_here = life.epoch.as_deref() == Some(&*at.epoch.to_string());
                let is_kept = is_here && (life.floor()..=life.end()).contains(&at.offset);
                assert!(!is_kept, "nothing was missed: {at:?}");
                life.floor()
            }
            None => life.floor(),
        };
        let numbers: Vec<Number> =
            page.events.iter().map(|event| number(event.event.publication())).collect();
        let log = life.log.iter().skip(usize::try_from(from).expect("short")).take(most);
        let expected: Vec<Number> = log.map(|(number, _)| *number).collect();
        // A page may have fewer, where its events are large.
        assert!(
            expected.starts_with(&numbers) && (expected.is_empty() || !numbers.is_empty()),
            "{from}: {numbers:?} of {expected:?}"
        );
        for (event, offset) in page.events.iter().zip(from + 1..) {
            assert_eq!(event.offset, offset);
            let made = self.model.made(number(event.event.publication()));
            let users: Vec<String> = event.users().map(|user| format!("user:{user}")).collect();
            let channels = event.channels().map(str::to_owned);
            let mut streams: Vec<String> = users.into_iter().chain(channels).collect();
            streams.extend(
                ["@all", FEED].into_iter().map(str::to_owned).filter(|name| made.streams.contains(name)),
            );
            streams.sort_unstable();
            assert_eq!(streams, made.streams.iter().cloned().collect::<Vec<_>>(), "whom it was for");
        }
        assert_eq!(page.next.offset, from + page.events.len() as u64);
        self.reader.at = Some(page.next);
    }
}

fn number(publication: &protocol::Publication) -> Number {
    let data: serde_json::Value = serde_json::from_str(&publication.data).expect("JSON");
    usize::try_from(data["n"].as_u64().expect("a number")).expect("short")
}
