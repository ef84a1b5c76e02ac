//! A certificate that is made for one test, and trust in exactly that one.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::stream::Stream;

/// A self-signed certificate for `localhost` and `127.0.0.1`, in two PEM files that go when it is dropped.
#[derive(Debug)]
pub struct Certificate {
    directory: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ClientConfig>,
}

impl Certificate {
    /// Makes a certificate and its key.
    ///
    /// # Panics
    /// When the files can't be written.
    #[must_use]
    pub fn generate() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("fanfare-tls-{}-{number}", process::id()));
        fs::create_dir_all(&directory).expect("a directory for the certificate");

        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("a self-signed certificate");
        let certificate = directory.join("certificate.pem");
        let key = directory.join("key.pem");
        fs::write(&certificate, made.cert.pem()).expect("the certificate's file");
        fs::write(&key, made.signing_key.serialize_pem()).expect("the key's file");

        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_file(&certificate).expect("the certificate just written");
        roots.add(trusted).expect("a certificate to trust");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { directory, certificate, key, config: Arc::new(config) }
    }

    /// The PEM file of the certificate.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate
    }

    /// The PEM file of the private key.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key
    }

    /// Wraps a connection; the handshake itself happens with the first bytes.
    pub(crate) fn wrap(&self, tcp: TcpStream) -> Stream {
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::clone(&self.config), name).expect("a TLS client");
        Stream::Tls(Box::new(StreamOwned::new(client, tcp)))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.directory);
    }
}
