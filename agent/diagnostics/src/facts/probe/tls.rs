//! Certificates that well-known hosts show here, and whether a public authority stands behind them.
//!
//! The check is against the public authorities compiled in, not against the machine's own store: a company's
//! or an attacker's intercepting proxy is trusted by the latter, and that is what this finds. Nothing is sent
//! over the connection, so accepting a bad certificate for the look at it does no harm.

use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nearhand_proto::time::UnixMillis;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::connection::{ProbeError, connected, milliseconds, within};
use crate::facts::network::TlsPeer;

/// Looks at the certificates of all `targets` (`host:port`), side by side.
pub(super) async fn peers(targets: &[String], patience: Duration, now: UnixMillis) -> Vec<TlsPeer> {
    let roots = Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    let mut looks = tokio::task::JoinSet::new();
    for target in targets {
        let (target, roots) = (target.clone(), Arc::clone(&roots));
        looks.spawn(async move { look(&target, roots, patience, now).await });
    }
    let mut found = looks.join_all().await;
    found.sort_by(|a, b| a.target.cmp(&b.target));
    found
}

async fn look(target: &str, roots: Arc<RootCertStore>, patience: Duration, now: UnixMillis) -> TlsPeer {
    let mut peer = TlsPeer { target: target.to_owned(), ..TlsPeer::default() };
    let begin = Instant::now();
    let seen = within(patience, handshake(target, roots)).await;
    peer.ms = milliseconds(begin);
    match seen {
        Ok(seen) => {
            (peer.issuer, peer.days_left) = describe(&seen.certificate, now);
            peer.public = seen.problem.is_none();
            peer.problem = seen.problem;
        }
        Err(problem) => peer.problem = Some(problem.to_string()),
    }
    peer
}

/// What a handshake showed.
#[derive(Clone)]
struct TlsHandshake {
    certificate: Vec<u8>,
    problem: Option<String>,
}

async fn handshake(target: &str, roots: Arc<RootCertStore>) -> Result<TlsHandshake, ProbeError> {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(ProbeError::NoServerName)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let judge = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let witness =
        Arc::new(CertificateCapture { judge, provider: Arc::clone(&provider), seen: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let stream = connected(target).await?;
    let outcome = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // The certificate is what was wanted; a handshake that fails after it changes nothing.
    seen.ok_or_else(|| outcome.err().map_or(ProbeError::NoCertificate, ProbeError::Io))
}

/// Lets every certificate pass, and keeps it with the verdict of the public authorities.
#[derive(Debug)]
struct CertificateCapture {
    judge: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<TlsHandshake>>,
}

impl std::fmt::Debug for TlsHandshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for CertificateCapture {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict =
            self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let Ok(mut seen) = self.seen.lock() {
            let problem = verdict.err().map(|error| error.to_string());
            *seen = Some(TlsHandshake { certificate: end_entity.to_vec(), problem });
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Issuer and days left of a certificate.
fn describe(der: &[u8], now: UnixMillis) -> (Option<String>, Option<i64>) {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return (None, None) };
    let issuer = certificate.issuer();
    let organisation = issuer.iter_organization().next().and_then(|part| part.as_str().ok());
    let name = issuer.iter_common_name().next().and_then(|part| part.as_str().ok());
    let shown = match (organisation, name) {
        (Some(organisation), Some(name)) => Some(format!("{organisation}, {name}")),
        (one, other) => one.or(other).map(str::to_owned),
    };
    let seconds_left = certificate
        .validity()
        .not_after
        .timestamp()
        .saturating_sub(i64::try_from(now.0 / 1000).unwrap_or(i64::MAX));
    (shown, Some(seconds_left.div_euclid(86_400)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::TlsAcceptor;

    const JANUARY_2026: UnixMillis = UnixMillis(1_767_225_600_000);

    /// A server with a certificate of an unknown authority; returns its address and its root.
    async fn server() -> (String, CertificateDer<'static>) {
        let mut authority = rcgen::CertificateParams::new(vec![]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "Evil \u{1b}[2J Proxy CA");
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let mut leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        leaf.not_before = rcgen::date_time_ymd(2025, 12, 1);
        leaf.not_after = rcgen::date_time_ymd(2100, 1, 11);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        (address, root.der().clone())
    }

    #[tokio::test]
    async fn an_unknown_authority_is_named() {
        let (address, _) = server().await;
        let found = peers(&[address], Duration::from_secs(10), JANUARY_2026).await;
        assert!(!found[0].public);
        assert!(found[0].issuer.as_deref().unwrap().contains("Proxy CA"));
        assert!(found[0].days_left.unwrap() > 26_000);
        assert!(found[0].problem.as_deref().unwrap().contains("UnknownIssuer"), "{:?}", found[0].problem);
    }

    #[tokio::test]
    async fn a_known_authority_is_public() {
        let (address, root) = server().await;
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let peer = look(&address, Arc::new(roots), Duration::from_secs(10), JANUARY_2026).await;
        assert!(peer.public, "{:?}", peer.problem);
    }

    #[tokio::test]
    async fn no_tls_is_a_problem_without_an_issuer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"\x1b]0;gotcha\x07 this is not TLS\n").await;
        });
        let found = peers(&[address], Duration::from_secs(10), JANUARY_2026).await;
        assert!(!found[0].public && found[0].issuer.is_none() && found[0].problem.is_some());
    }

    #[test]
    fn garbage_is_no_certificate() {
        assert_eq!(describe(b"\x30\x82garbage", JANUARY_2026), (None, None));
    }
}
