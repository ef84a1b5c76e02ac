//! What the service is told at its start.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use auth::JwtSettings;
use hub_client::HubClient;
use service_kit::arguments::Secret;
use service_kit::shutdown::Token;
use store::Location;

/// How long an access token is good (contract: services).
pub const ACCESS_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How long a refresh token is good (contract: services).
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a key signs tokens before another takes over; chosen.
pub const KEY_ROTATION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Sign-ins and registrations of one machine in a minute; chosen, one a second is more than people type.
pub const LOGIN_RATE_LIMIT: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

/// The most live sessions of one user: as many as one event names to the hub (`close_sessions`).
pub const MAX_SESSIONS: i64 = 1_000;

/// What the service needs to run. [`Settings::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its database.
    pub location: Location,
    /// Where its events go.
    pub hub: HubClient,
    /// What callers' tokens are verified with beside the service's own keys: `secret`, `public_key_file`, and the names
    /// `issuers` and `audiences`, the first of which stand in the tokens that are made here. `jwks` and `local` are not
    /// looked at.
    pub jwt: JwtSettings,
    /// The key by which services are known: who sends it where a user is wanted gets 403, not 401. Default: none.
    pub service_key: Option<Secret>,
    /// Sign-ins and registrations that one address may send in a minute; so many at once, and then as many as are
    /// granted again over time. `None`: no limit. Loopback peers are never limited. Default: [`LOGIN_RATE_LIMIT`].
    pub login_rate_limit: Option<NonZeroU32>,
    /// How long a key signs before another takes over. Default: [`KEY_ROTATION`].
    pub key_rotation: Duration,
    /// How long an access token is good, in whole seconds. Default: [`ACCESS_LIFETIME`].
    pub access_lifetime: Duration,
    /// How long a refresh token is good. Default: [`REFRESH_LIFETIME`].
    pub refresh_lifetime: Duration,
    /// Passwords that are hashed at once, each on a thread of the blocking pool with 19 MiB. Default: one per core.
    pub hashes_at_once: NonZeroUsize,
    /// Whether the process is stopping, for `/health`.
    pub shutdown: Token,
}

impl Settings {
    /// The defaults for this database, this hub and this process.
    #[must_use]
    pub fn new(location: Location, hub: HubClient, shutdown: Token) -> Self {
        Self {
            location,
            hub,
            jwt: JwtSettings::default(),
            service_key: None,
            login_rate_limit: Some(LOGIN_RATE_LIMIT),
            key_rotation: KEY_ROTATION,
            access_lifetime: ACCESS_LIFETIME,
            refresh_lifetime: REFRESH_LIFETIME,
            hashes_at_once: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            shutdown,
        }
    }
}
