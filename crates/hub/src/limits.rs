//! The bounds of the engine, with the contract's numbers as defaults.

use std::time::Duration;

use crate::history::HistoryLimits;

/// What a connection, and a shard's queue, may take up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Client frames in any [`Limits::rate_window`]; none is no limit. One more closes 4008.
    pub rate: Option<u32>,
    /// The time over which client frames are counted (contract: 10 s).
    pub rate_window: Duration,
    /// Channels per connection (contract: 100); further ones are answered `too_many_channels`.
    pub channels: usize,
    /// Bytes that may wait for a socket (contract: 1 MiB); more closes 4010.
    pub outbox_bytes: usize,
    /// Frames that may wait for a socket (contract: 1,024); more closes 4010.
    pub outbox_frames: usize,
    /// How often the server pings (contract: 25 s).
    pub ping_interval: Duration,
    /// How long a connection may be silent (contract: 60 s); longer closes 4009.
    pub ping_timeout: Duration,
    /// Connections of one user; none is no limit. The one too many is closed 4029.
    pub connections_per_user: Option<u32>,
    /// Connections of this node; one more is refused with 503.
    pub connections: usize,
    /// Publications that may wait for a shard; more are refused with 503.
    pub queue_publications: usize,
    /// Bytes of publications that may wait for a shard; more are refused with 503.
    pub queue_bytes: usize,
    /// The size from which events are compressed for clients that can read it; none is never.
    pub deflate_min: Option<usize>,
    /// What streams keep in memory.
    pub history: HistoryLimits,
    /// Bytes of retained state, by estimate; beyond, what is forgotten first anyway goes.
    pub retained_bytes: usize,
    /// How long a user whose last connection ended is still present: a reload must not show.
    pub presence_grace: Duration,
    /// How long after the end of a user's last socket the others in its namespace are told (contract: 3 s).
    pub offline_grace: Duration,
    /// How long idempotency keys are kept on disk (contract: 10 min).
    pub idempotency: Duration,
    /// Dropped connections that can be resumed; beyond, the one dropped first goes.
    pub resumable: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: Some(100),
            rate_window: Duration::from_secs(10),
            channels: 100,
            outbox_bytes: 1 << 20,
            outbox_frames: 1024,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(60),
            connections_per_user: None,
            connections: usize::MAX,
            queue_publications: 65_536,
            queue_bytes: 64 << 20,
            deflate_min: Some(1024),
            history: HistoryLimits::default(),
            retained_bytes: 16 << 20,
            presence_grace: Duration::from_secs(5),
            offline_grace: Duration::from_secs(3),
            idempotency: Duration::from_secs(600),
            resumable: 100_000,
        }
    }
}
