//! TLS by rustls, where a certificate is given.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;
use crate::patience::Patience;

/// Reads certificate and key.
///
/// # Errors
/// A file is no PEM, or the two do not belong together.
pub(crate) fn server_config(files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("TLS_CERT_FILE: {} holds no certificates", files.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("TLS_KEY_FILE: {} holds no private key", files.key.display()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("TLS_CERT_FILE and TLS_KEY_FILE do not belong together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Carries out the TLS handshake of a socket, within `limit`; each request then has to come within `patience`.
///
/// # Errors
/// It failed or took too long; the socket is closed.
pub(crate) async fn accept(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    limit: Duration,
    patience: Duration,
) -> Result<(Patience<TlsStream<TcpStream>>, Protocol, Option<SocketAddr>), DispatchError> {
    let peer = socket.peer_addr().ok();
    let _ = socket.set_nodelay(true);
    let stream = tokio::time::timeout(limit, acceptor.accept(socket))
        .await
        .map_err(|_| DispatchError::Io(io::ErrorKind::TimedOut.into()))?
        .map_err(DispatchError::Io)?;
    Ok((Patience::new(stream, patience), Protocol::Http1, peer))
}
