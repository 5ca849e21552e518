//! TLS and QUIC configuration: mutual TLS 1.3 with Ed25519 raw public keys, and bounded transport settings.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, PeerIncompatible,
    SignatureScheme, version::TLS13,
};

use nearhand_proto::identity::{PublicKey, SecretKey};

/// The server name in every handshake: a constant, because the relay and the network can read it.
pub const SERVER_NAME: &str = "nearhand";

/// Which key the other end must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpectedKey {
    /// This one; any other ends the handshake.
    Key(PublicKey),
    /// Any key; the caller must find out whose it is before anything else.
    Any,
}

/// A configuration could not be made. Only for a broken build: keys and versions are fixed.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// rustls refuses the configuration.
    #[error("TLS can't be set up")]
    Rustls(#[from] TlsError),
    /// QUIC needs a cipher suite that is missing.
    #[error("TLS lacks the initial cipher suite of QUIC")]
    NoInitialSuite(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// What a connection is for: sets its windows, streams and timers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionPurpose {
    /// Control: thousands at a relay, small frames.
    Control,
    /// Session: few, may carry a screen.
    Session,
}

/// Streams that the other end of a control connection may have open at once.
const CONTROL_STREAMS: u32 = 4;
/// Streams that the other end of a session may have open at once.
const SESSION_STREAMS: u32 = 32;
/// Receive window of a control stream, in bytes: the largest frame with its prefix fits.
const CONTROL_STREAM_WINDOW: u32 = 320 * 1024;
/// Receive window of a control connection at its server, in bytes: what a stranger may send before it is read. The server
/// widens it for the one who has shown a credential.
const STRANGERS_WINDOW: u32 = 16 * 1024;
/// Receive window of a session stream, in bytes: 20 Mbit/s at 300 ms need 750 KB.
const SESSION_STREAM_WINDOW: u32 = 1024 * 1024;
/// Receive window of a session, in bytes.
const SESSION_WINDOW: u32 = 4 * 1024 * 1024;

fn transport(
    purpose: ConnectionPurpose,
    keep_alive: Option<Duration>,
    receive: Option<u32>,
) -> Arc<TransportConfig> {
    use nearhand_proto::message::{control, session};
    let mut config = TransportConfig::default();
    let (streams, stream_window, window, idle) = match purpose {
        ConnectionPurpose::Control => {
            config.datagram_receive_buffer_size(None).mtu_discovery_config(None);
            (CONTROL_STREAMS, CONTROL_STREAM_WINDOW, CONTROL_STREAM_WINDOW * 2, control::IDLE_TIMEOUT)
        }
        ConnectionPurpose::Session => {
            (SESSION_STREAMS, SESSION_STREAM_WINDOW, SESSION_WINDOW, session::IDLE_TIMEOUT)
        }
    };
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(if purpose == ConnectionPurpose::Session {
            streams
        } else {
            0
        }))
        .stream_receive_window(VarInt::from_u32(stream_window))
        .receive_window(VarInt::from_u32(receive.unwrap_or(window)))
        .send_window(u64::from(window))
        .keep_alive_interval(keep_alive)
        .max_idle_timeout(IdleTimeout::try_from(idle).ok());
    Arc::new(config)
}

/// The client's configuration for one ALPN and one expected key.
///
/// # Errors
/// [`TlsConfigError`] if this build lacks TLS 1.3, Ed25519 or the initial cipher suite of QUIC; trying again is no use.
pub fn client(
    key: &SecretKey,
    expect: ExpectedKey,
    alpn: &[u8],
    purpose: ConnectionPurpose,
    keep_alive: Duration,
) -> Result<ClientConfig, TlsConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(RawKeys { expect, schemes: provider.signature_verification_algorithms });
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(
            &provider, key,
        )?)));
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport(purpose, Some(keep_alive), None));
    Ok(config)
}

/// The server's configuration for one ALPN. Every client must show a key; whose it is shows [`peer_key`].
///
/// # Errors
/// [`TlsConfigError`] if this build lacks TLS 1.3, Ed25519 or the initial cipher suite of QUIC; trying again is no use.
pub fn server(
    key: &SecretKey,
    alpn: &[u8],
    purpose: ConnectionPurpose,
) -> Result<ServerConfig, TlsConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        Arc::new(RawKeys { expect: ExpectedKey::Any, schemes: provider.signature_verification_algorithms });
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(&provider, key)?)));
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let receive = (purpose == ConnectionPurpose::Control).then_some(STRANGERS_WINDOW);
    config.transport_config(transport(purpose, None, receive));
    Ok(config)
}

/// Endpoint settings that the forwarding path needs: QUIC packets must be told apart from bind packets by
/// their fixed bit, so it is never greased.
pub fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.grease_quic_bit(false);
    config
}

/// The key that the other end of an established connection has shown and used.
pub fn peer_key(connection: &Connection) -> Option<PublicKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match identity.as_slice() {
        [only] => PublicKey::from_spki(only),
        _ => None,
    }
}

/// TLS exporter output (RFC 8446 §7.5) of a connection; `None` if it is gone.
pub fn exporter(connection: &Connection, label: &[u8], context: &[u8]) -> Option<[u8; 32]> {
    let mut output = [0; 32];
    connection.export_keying_material(&mut output, label, context).ok()?;
    Some(output)
}

fn certified(provider: &CryptoProvider, key: &SecretKey) -> Result<Arc<CertifiedKey>, TlsError> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_pkcs8().to_vec()));
    let signer = provider.key_provider.load_private_key(der)?;
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(key.public().to_spki())], signer)))
}

/// Verifies raw public keys on either side.
#[derive(Debug)]
struct RawKeys {
    expect: ExpectedKey,
    schemes: WebPkiSupportedAlgorithms,
}

impl RawKeys {
    fn judge(&self, spki: &[u8], chain: &[CertificateDer<'_>]) -> Result<(), TlsError> {
        let key = PublicKey::from_spki(spki)
            .filter(|_| chain.is_empty())
            .ok_or(TlsError::InvalidCertificate(CertificateError::BadEncoding))?;
        match self.expect {
            ExpectedKey::Key(expected) if expected != key => {
                Err(TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(()),
        }
    }

    fn verify(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let spki = SubjectPublicKeyInfoDer::from(spki.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, dss, &self.schemes)
    }
}

const TLS12: TlsError = TlsError::PeerIncompatible(PeerIncompatible::Tls12NotOffered);

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.judge(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        self.judge(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quinn::Endpoint;
    use rand_core::OsRng;

    const ALPN: &[u8] = b"test/1";

    async fn meet(
        expect: impl Fn(PublicKey) -> ExpectedKey,
    ) -> (Result<Connection, String>, Option<PublicKey>, PublicKey) {
        let (s, c) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let config = server(&s, ALPN, ConnectionPurpose::Control).unwrap();
        let at = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let from = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let config =
            client(&c, expect(s.public()), ALPN, ConnectionPurpose::Control, Duration::from_secs(5)).unwrap();
        let to = at.local_addr().unwrap();
        let accept = tokio::spawn(async move {
            let connection = at.accept().await.unwrap().await.ok()?;
            let key = peer_key(&connection);
            connection.closed().await;
            key
        });
        let connected = from.connect_with(config, to, SERVER_NAME).unwrap().await.map_err(|e| e.to_string());
        let server_key = connected.as_ref().ok().and_then(peer_key);
        if let Ok(c) = &connected {
            c.close(VarInt::from_u32(0), b"");
        }
        from.wait_idle().await;
        let seen = accept.await.unwrap();
        assert_eq!(server_key.is_some(), connected.is_ok());
        assert!(server_key.is_none_or(|k| k == s.public()));
        (connected, seen, c.public())
    }

    #[tokio::test]
    async fn both_ends_see_each_others_key() {
        for expect in [ExpectedKey::Key, |_| ExpectedKey::Any] {
            let (connected, seen, client) = meet(expect).await;
            connected.unwrap();
            assert_eq!(seen, Some(client));
        }
    }

    #[tokio::test]
    async fn another_key_ends_the_handshake() {
        let (connected, seen, _) = meet(|_| ExpectedKey::Key(PublicKey::from_bytes([7; 32]))).await;
        assert!(connected.is_err());
        assert_eq!(seen, None);
    }
}
