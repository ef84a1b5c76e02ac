//! How a Fanfare binary starts, reports and stops.
//!
//! Every binary of the workspace uses these pieces in the same order: read [`settings`], set up [`telemetry`],
//! raise the [`limits`], [`listen`], serve with [`problem`] answers and [`metrics`], [`notify`] the supervisor, [`reload`] at SIGHUP, and
//! end by [`shutdown`].
//!
//! What is admitted here is needed by several binaries, has no noun of the product's domain in its name, and
//! changes for operational reasons only. Ids, events, permissions and models are not; libraries never depend
//! on this crate.

pub mod arguments;
pub mod healthcheck;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod notify;
pub mod problem;
pub mod reload;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
