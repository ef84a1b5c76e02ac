//! Whether the hub is a node of a cluster: where its broker is, and what it is called there.
//!
//! Not here: the broker (the `broker` crate), which reads the address.

use std::path::PathBuf;

use broker::Settings;
use service_kit::arguments::Secret;
use service_kit::settings::values;

/// How a node finds its cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Where Redis is, with its password.
    pub url: Secret,
    /// What all of the cluster's keys begin with.
    pub prefix: String,
    /// The node's name in logs; none is the host's and the port.
    pub name: Option<String>,
    /// Authorities that may have signed Redis' certificate, in place of the system's.
    pub authority: Option<PathBuf>,
}

/// The flags of [`Cluster`].
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterFlags {
    /// Redis 7.0 or later, through which several hubs are one: all with the same REDIS_URL and REDIS_PREFIX have one order of
    /// events, one history, one presence. Durable is then what Redis has synced (appendonly yes, appendfsync always), and
    /// FANFARE_DATA is not used by the hub.
    ///
    /// Values: redis://user:password@host:port/db, rediss:// for TLS, redis+unix:///path?db=1,
    /// redis+sentinel://user:password@host:port,host:port/master/db, redis+cluster://user:password@host:port,host:port.
    ///
    /// Secret: better in a file, which REDIS_URL_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: the hub is alone.
    ///
    /// Source: protocol, Cluster.
    #[arg(long, env, value_name = "URL", value_parser = redis_url)]
    pub(super) redis_url: Option<Secret>,

    /// What the names of all keys in Redis begin with, so that several clusters can share one.
    ///
    /// Values: 1 to 64 characters without spaces and braces.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "PREFIX", default_value = "fanfare", value_parser = prefix)]
    pub(super) redis_prefix: String,

    /// Authorities that may have signed Redis' certificate.
    ///
    /// Values: the path of a readable PEM file.
    ///
    /// Unset: those of the system.
    #[arg(long, env, value_name = "FILE", value_parser = values::readable_file)]
    pub(super) redis_ca_file: Option<PathBuf>,

    /// What this node is called in the logs of all.
    ///
    /// Values: 1 to 64 visible ASCII characters.
    ///
    /// Unset: the host's name and the port.
    #[arg(long, env, value_name = "NAME", value_parser = node_name)]
    pub(super) node_name: Option<String>,
}

/// An address that the broker reads.
fn redis_url(text: &str) -> Result<Secret, values::Reason> {
    Settings::new(text, "fanfare", "node").map_err(|error| error.to_string())?;
    values::secret(text)
}

fn prefix(text: &str) -> Result<String, values::Reason> {
    Settings::new(ANY, text, "node").map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn node_name(text: &str) -> Result<String, values::Reason> {
    Settings::new(ANY, "fanfare", text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// An address that can be one, where another setting is looked at.
const ANY: &str = "redis://localhost";

impl ClusterFlags {
    /// What they say; none where the hub is alone.
    pub(super) fn cluster(self) -> Option<Cluster> {
        let Self { redis_url, redis_prefix, redis_ca_file, node_name } = self;
        let url = redis_url?;
        Some(Cluster { url, prefix: redis_prefix, name: node_name, authority: redis_ca_file })
    }
}
