//! TLS by rustls, where a certificate is given. A renewed one takes its place without a restart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;
use crate::patience::Patience;

/// The certificate that handshakes are answered with; it can change while the server runs.
pub(crate) struct Certificates(ArcSwap<CertifiedKey>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates(***)")
    }
}

impl Certificates {
    pub(crate) fn new(certified: CertifiedKey) -> Self {
        Self(ArcSwap::from_pointee(certified))
    }

    /// Handshakes from now on get this one; connections that are there keep theirs. Returns whether it is another.
    pub(crate) fn renew(&self, certified: CertifiedKey) -> bool {
        let before = self.0.swap(Arc::new(certified));
        before.cert != self.0.load().cert
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Reads certificate and key.
///
/// # Errors
/// A file is no PEM, or the two do not belong together.
pub(crate) fn certified(files: &TlsFiles) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("TLS_CERT_FILE: {} holds no certificates", files.certificate.display()))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "TLS_CERT_FILE: {} holds no certificates",
        files.certificate.display()
    );
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("TLS_KEY_FILE: {} holds no private key", files.key.display()))?;
    let provider = CryptoProvider::get_default().context("no TLS provider is installed in this process")?;
    CertifiedKey::from_der(chain, key, provider)
        .context("TLS_CERT_FILE and TLS_KEY_FILE do not belong together")
}

/// TLS with the certificate that holds at the moment.
pub(crate) fn server_config(certificates: Arc<Certificates>) -> ServerConfig {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
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
