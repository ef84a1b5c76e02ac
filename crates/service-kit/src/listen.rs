//! The listening socket: bound before anything is served, with one line that says why when it can't be.
//!
//! Accepting, TLS and HTTP are the server's.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

#[cfg(test)]
mod tests;

/// Connections that the kernel holds for a process that has not accepted them yet.
///
/// 4,096 is what Linux allows by default (`net.core.somaxconn`, which lowers a larger one silently). At 500
/// connects per second it bridges a pause of eight seconds; beyond it clients see their SYN go unanswered and
/// try again by themselves.
pub const BACKLOG: i32 = 4096;

/// The names under which the person who starts the program set the address; errors speak in them.
#[derive(Debug, Clone, Copy)]
pub struct AddressNames {
    /// What names the host, such as `HOST`.
    pub host: &'static str,
    /// What names the port, such as `PORT`.
    pub port: &'static str,
}

/// Why a port could not be opened. `Display` is one line that begins with the setting to change.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another socket listens there.
    #[error(
        "{name}: {address} is in use by another process; stop it, or choose another port (0 takes a free one)"
    )]
    InUse {
        /// The setting that names the port.
        name: &'static str,
        /// What was asked for.
        address: SocketAddr,
    },
    /// The process may not open this port.
    #[error("{name}: this process may not listen on {address}; ports below 1024 need a privilege")]
    Denied {
        /// The setting that names the port.
        name: &'static str,
        /// What was asked for.
        address: SocketAddr,
    },
    /// The host is not an address of this machine.
    #[error("{name}: {address} is not an address of this machine; 0.0.0.0 stands for all of them")]
    NotHere {
        /// The setting that names the host.
        name: &'static str,
        /// What was asked for.
        address: SocketAddr,
    },
    /// Anything else, in the kernel's words.
    #[error("{name}: listening on {address} failed: {cause}")]
    Other {
        /// The setting that names the host.
        name: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// The kernel's answer.
        cause: io::Error,
    },
}

/// Opens a listening TCP socket, non-blocking, with `SO_REUSEADDR` and [`BACKLOG`].
///
/// `SO_REUSEADDR` lets a restarted server take its port back while connections of the previous one are still
/// in `TIME_WAIT`; on Linux it does not let two processes listen on one port. Port 0 takes any free one:
/// [`TcpListener::local_addr`] tells which. `::` listens for IPv4 as well.
///
/// # Errors
/// [`ListenError`], one line for the operator.
pub fn bind(address: SocketAddr, names: AddressNames) -> Result<TcpListener, ListenError> {
    open(address).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { name: names.port, address },
        io::ErrorKind::PermissionDenied => ListenError::Denied { name: names.port, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { name: names.host, address },
        _ => ListenError::Other { name: names.host, address, cause },
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
