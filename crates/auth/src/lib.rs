//! Who is at the other end, and what they may do: signed tokens, API keys, and where a request comes from.
//!
//! The hub's requests and handshakes pass here ahead of step ① of the walk, those of the services ahead of their
//! handlers. What is here answers yes or no with a cause, and holds no connection.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`identity`] | what do the claims of a token say, and are they in force? |
//! | [`jwt`] | was this token signed by a key that we trust? |
//! | [`jwks`] | which keys does the identity provider use today? |
//! | [`api_key`] | which publisher does this `Authorization` belong to? |
//! | [`host`] | which machine does a `Host` or an `Origin` name? |
//! | [`origin`] | may a page from there open a WebSocket, or read an answer? |
//! | [`cors`] | which headers tell a browser so? |
//! | [`publisher`] | may this request publish? |
//!
//! Three rules hold in all of them. **The algorithm belongs to the key**, never to the token, so that a token cannot
//! choose how it is verified. **No secret is ever shown**: not in an error, not by `Debug`, not in a log line.
//! **What cannot be read is refused**, never taken for absent.
//!
//! Not here: which channels a user may follow (the engine's rules), where in a handshake the token stands (the
//! hub's upgrade), signing tokens and keeping sessions (the user service's), and rate limits.

pub mod api_key;
pub mod cors;
pub mod host;
pub mod identity;
pub mod jwks;
pub mod jwt;
pub mod origin;
pub mod publisher;

mod key;
mod pem;

#[cfg(test)]
mod mint;

pub use api_key::{ApiKey, ApiKeyError, ApiKeys, ChannelScope, KeyError, Rights, SecretError, check_secret};
pub use host::{Host, HostList, HostListError};
pub use identity::VerifiedToken;
pub use jwks::{FeedError, Jwks, JwksError, JwksSettings, JwksStatus};
pub use jwt::{JwtSettings, JwtSetupError, TokenError, Verifier};
pub use origin::{CorsAnswer, Environment, OriginError, OriginPolicy};
pub use pem::PublicKeyError;
pub use publisher::{Publisher, PublisherPolicy, Refusal, RequestFacts, Route, is_forwarding_header};
