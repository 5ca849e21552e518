//! One request to a receiver over HTTP/1.1 and its answer. Redirects are not followed: they are answers.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use super::config::HttpEndpoint;
use super::stream::{self, ConnectError};

/// How long a whole request may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024;

/// A receiver's answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// HTTP status of the answer.
    pub status: u16,
    /// The beginning of its body. Hostile text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request can't be made.
    #[error("the request can't be made: {0}")]
    Request(#[source] hyper::http::Error),
    /// The exchange fails.
    #[error("the exchange broke off")]
    Exchange(#[source] hyper::Error),
    /// It takes too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

/// Sends JSON.
///
/// # Errors
/// [`HttpError`]: the server can't be reached or its answer can't be read. An answer with any status is no error.
pub async fn post(
    to: &HttpEndpoint,
    tls: &Arc<ClientConfig>,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Result<HttpAnswer, HttpError> {
    tokio::time::timeout(TIMEOUT, exchange(to, tls, headers, body)).await.map_err(|_| HttpError::TimedOut)?
}

async fn exchange(
    to: &HttpEndpoint,
    tls: &Arc<ClientConfig>,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Result<HttpAnswer, HttpError> {
    let stream = stream::connect(&to.host, to.port, to.tls.then_some(tls), to.allow_private).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Exchange)?;
    let driver = tokio::spawn(connection);
    let answer = ask(&mut sender, to, headers, body).await;
    driver.abort();
    answer
}

async fn ask(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    to: &HttpEndpoint,
    headers: Vec<(&'static str, String)>,
    body: String,
) -> Result<HttpAnswer, HttpError> {
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let default = if to.tls { 443 } else { 80 };
    let host = if to.port == default { host } else { format!("{host}:{}", to.port) };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&to.path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("nearhand-relay/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(token) = &to.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(HttpError::Request)?;
    let answer = sender.send_request(request).await.map_err(HttpError::Exchange)?;
    let status = answer.status().as_u16();
    // An answer that is too long or breaks off has said its status all the same.
    let body = match Limited::new(answer.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    Ok(HttpAnswer { status, body })
}
