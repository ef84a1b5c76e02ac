//! Ports of single endpoints: bound before anything is served.
//!
//! Not here: the main port, and what is served (`front`).

use std::io;
use std::net::{SocketAddr, TcpListener};

use hub::EndpointIndex;
use service_kit::listen::{self, AddressNames};

use crate::config::{Config, IfTaken};

/// A listener for one endpoint.
#[derive(Debug)]
pub(crate) struct Own {
    pub listener: TcpListener,
    pub endpoint: EndpointIndex,
}

impl Own {
    /// The endpoint's name, and where it listens.
    ///
    /// # Errors
    /// The system does not tell.
    pub(crate) fn address(&self, config: &Config) -> io::Result<(String, SocketAddr)> {
        let name = config.endpoints[usize::from(self.endpoint)].name.clone();
        Ok((name, self.listener.local_addr()?))
    }
}

/// Binds the ports of all endpoints that have one.
///
/// # Errors
/// A port that was asked for can't be had.
pub(crate) fn bind(config: &Config) -> anyhow::Result<Vec<Own>> {
    let mut bound = Vec::new();
    for (place, endpoint) in config.endpoints.iter().enumerate() {
        let Some(own) = endpoint.port else { continue };
        let address = SocketAddr::new(config.listen.address.ip(), own.port);
        let names = AddressNames { host: "HOST", port: port_name(&endpoint.name) };
        match (listen::bind(address, names), own.if_taken) {
            (Ok(listener), _) => bound.push(Own { listener, endpoint: EndpointIndex::try_from(place)? }),
            (Err(error), IfTaken::GoOn) => {
                let (endpoint, path) = (&endpoint.name, endpoint.path.as_deref().unwrap_or_default());
                tracing::warn!(
                    endpoint,
                    path,
                    "{error}; the endpoint is on the main port alone, and who asks that port asks somebody else"
                );
            }
            (Err(error), IfTaken::Fail) => return Err(error.into()),
        }
    }
    Ok(bound)
}

/// The setting that names an endpoint's port.
fn port_name(endpoint: &str) -> &'static str {
    match endpoint {
        "dashboard" => "DASHBOARD_PORT",
        "receipts" => "RECEIPTS_PORT",
        _ => "FANFARE_CONFIG: the port of an endpoint",
    }
}
