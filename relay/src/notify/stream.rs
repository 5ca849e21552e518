//! Connections to receivers: resolved here, judged (see `guard`), opened, and put into TLS.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use nearhand_relay_core::notify::guard::{self, ForbiddenAddress};

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the other end may take to read what was sent.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a receiver can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its name leads nowhere.
    #[error("{0} can't be resolved")]
    Resolve(String, #[source] io::Error),
    /// Its name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// Its address is none that may be used.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
    /// Nobody answers there.
    #[error("can't connect to {0}")]
    Connect(SocketAddr, #[source] io::Error),
    /// The TLS handshake failed.
    #[error("no TLS connection to {0}")]
    Tls(String, #[source] io::Error),
    /// It is no name that a certificate could be for.
    #[error("{0} is no name that a certificate could be for")]
    Name(String),
    /// It takes too long.
    #[error("{0} did not answer within {seconds} s", seconds = CONNECT.as_secs())]
    TimedOut(String),
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file with certificates.
    #[error("can't read certificates from {0}")]
    File(PathBuf),
    /// rustls says no.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
}

/// A connection, plain or not.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// TLS by the system's certificates, and those of a file.
///
/// # Errors
/// [`TrustError`]: the file holds no certificates that can be read, or TLS can't be set up.
pub fn trust(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let bad = || TrustError::File(file.to_owned());
        let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
            .map_err(|_| bad())?
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(bad());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects to the first address that may be used and answers.
///
/// # Errors
/// [`ConnectError`]: the name can't be resolved, its address is forbidden, or the connection or TLS fails or takes
/// too long.
pub async fn connect(
    host: &str,
    port: u16,
    tls: Option<&Arc<ClientConfig>>,
    allow_private: bool,
) -> Result<Box<dyn ByteStream>, ConnectError> {
    let opened = tokio::time::timeout(CONNECT, open(host, port, tls, allow_private)).await;
    opened.unwrap_or_else(|_| Err(ConnectError::TimedOut(host.to_owned())))
}

/// Addresses of a receiver that may be used; at least one.
///
/// # Errors
/// [`ConnectError`]: the name can't be resolved in time, or none of its addresses may be used.
pub async fn resolve(host: &str, port: u16, allow_private: bool) -> Result<Vec<SocketAddr>, ConnectError> {
    let resolved = tokio::time::timeout(CONNECT, tokio::net::lookup_host((host, port))).await;
    let resolved = resolved.map_err(|_| ConnectError::TimedOut(host.to_owned()))?;
    let mut forbidden = None;
    let mut usable = Vec::new();
    for address in resolved.map_err(|error| ConnectError::Resolve(host.to_owned(), error))? {
        match guard::check(address.ip(), allow_private) {
            Ok(()) => usable.push(address),
            Err(reason) => forbidden = Some(reason),
        }
    }
    match (usable.is_empty(), forbidden) {
        (false, _) => Ok(usable),
        (true, Some(reason)) => Err(reason.into()),
        (true, None) => Err(ConnectError::NoAddress(host.to_owned())),
    }
}

async fn open(
    host: &str,
    port: u16,
    tls: Option<&Arc<ClientConfig>>,
    allow_private: bool,
) -> Result<Box<dyn ByteStream>, ConnectError> {
    let mut last = ConnectError::NoAddress(host.to_owned());
    for address in resolve(host, port, allow_private).await? {
        match TcpStream::connect(address).await {
            Ok(plain) => return protect(plain, host, tls).await,
            Err(error) => last = ConnectError::Connect(address, error),
        }
    }
    Err(last)
}

async fn protect(
    plain: TcpStream,
    host: &str,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Box<dyn ByteStream>, ConnectError> {
    let Some(config) = tls else { return Ok(Box::new(plain)) };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name(host.to_owned()))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, plain).await;
    Ok(Box::new(stream.map_err(|error| ConnectError::Tls(host.to_owned(), error))?))
}

/// Sends bytes, says that no more follow, and waits until the other end has closed: then it has read them.
///
/// # Errors
/// What the system says, or that the other end didn't close.
pub async fn send_all(stream: &mut dyn ByteStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 256];
    let drained = async {
        loop {
            match stream.read(&mut ignored).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Closed without a last word, as some do.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(DRAIN, drained).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
