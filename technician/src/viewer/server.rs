//! The web server of the page, on 127.0.0.1 and a port that the system chooses.
//!
//! A driver: [`super::request_guard`] decides which requests get an answer. One page at a time holds the session; the
//! last one that comes with the pass takes over, so a closed or stuck tab locks nobody out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use data_encoding::HEXLOWER;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rand_core::{OsRng, RngCore};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::page_files::{FILES, HEADERS, PLAYER, POLICY, PageFile, REPORT_POLICY};
use super::page_messages::{FromPage, MAX_MESSAGE, PageClipboardForm, ToPage};
use super::request_guard::{RequestGuard, RequestHeaders, RequestPurpose, RequestRefused, SECRET, same};
use crate::peer_user::PeerUser;
use crate::platform;

/// Messages that may wait in each direction: at 64 KiB each, a few frames.
const QUEUE: usize = 64;
/// Longest body of a request, in bytes: a token and room.
const BODY: usize = 256;
/// A page that takes no message for this time is gone.
const STUCK: Duration = Duration::from_secs(30);
/// How long a page may take to say its pass, and how many may be about to say it.
const INTRODUCTION: Duration = Duration::from_secs(10);
const STRANGERS: usize = 8;
/// Most reports kept for the page.
const REPORTS: usize = 20;

/// What is sent over the page's WebSocket.
#[derive(Clone, PartialEq, Debug)]
pub enum PageOutput {
    /// A message in JSON.
    Message(ToPage),
    /// A 1 and operations (see [`super::operations`]).
    Operations(Vec<u8>),
    /// A part of the device's clipboard.
    Copied {
        /// As in the device's message.
        serial: u32,
        /// Text or picture.
        form: PageClipboardForm,
        /// Whether it was the last.
        last: bool,
        /// The part's bytes.
        bytes: Vec<u8>,
    },
}

/// What comes over the page's WebSocket.
#[derive(Clone, PartialEq, Debug)]
pub enum PageMessage {
    /// A message in JSON.
    Request(FromPage),
    /// A part of the technician's clipboard.
    Pasted {
        /// Text or picture.
        form: PageClipboardForm,
        /// Whether it was the last.
        last: bool,
        /// The part's bytes.
        bytes: Vec<u8>,
    },
}

/// A page that has come in. When either end is dropped, it is gone.
#[derive(Debug)]
pub struct PageConnection {
    /// Messages for the page.
    pub to: mpsc::Sender<PageOutput>,
    /// Messages from the page.
    pub heard: mpsc::Receiver<PageMessage>,
}

/// The server; ends when it is dropped.
#[derive(Debug)]
pub struct PageServer {
    url: String,
    pages: mpsc::Receiver<PageConnection>,
    shared: Arc<PageServerState>,
    entered: PageEntered,
    task: JoinHandle<()>,
}

/// Tells when the address has been used.
#[derive(Clone, Debug)]
pub struct PageEntered(watch::Receiver<bool>);

impl PageEntered {
    /// Returns once a browser has come in, or the server is gone.
    pub async fn wait(mut self) {
        // The server's end is an end of waiting, too.
        let _ = self.0.wait_for(|entered| *entered).await;
    }
}

#[derive(Debug)]
struct PageServerState {
    guard: Mutex<RequestGuard>,
    entered: watch::Sender<bool>,
    strangers: Semaphore,
    pages: mpsc::Sender<PageConnection>,
    reports: Mutex<Vec<KeptReport>>,
}

#[derive(Debug)]
struct KeptReport {
    /// The unguessable part of its address.
    key: String,
    html: Arc<[u8]>,
}

/// What is known of a connection: whose program made it.
#[derive(Clone, Copy, Debug)]
struct PageCaller(PeerUser);

impl Connected<IncomingStream<'_, TcpListener>> for PageCaller {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let own = stream.io().local_addr();
        Self(own.map_or(PeerUser::Unknown, |own| platform::user_of(*stream.remote_addr(), own)))
    }
}

impl PageServer {
    /// Listens, with the viewer's page.
    ///
    /// # Errors
    /// No port of 127.0.0.1 can be listened on.
    pub async fn start() -> io::Result<Self> {
        Self::with(FILES).await
    }

    /// Listens, with the playback page.
    ///
    /// # Errors
    /// No port of 127.0.0.1 can be listened on.
    pub async fn player() -> io::Result<Self> {
        Self::with(PLAYER).await
    }

    async fn with(files: &'static [PageFile]) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let guard = RequestGuard::new(listener.local_addr()?.port(), random(), random());
        let url = guard.url();
        let (to, pages) = mpsc::channel(4);
        let (entering, entered) = watch::channel(false);
        let shared = Arc::new(PageServerState {
            guard: Mutex::new(guard),
            entered: entering,
            strangers: Semaphore::new(STRANGERS),
            pages: to,
            reports: Mutex::default(),
        });
        let app = router(files, shared.clone()).into_make_service_with_connect_info::<PageCaller>();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::warn!(%error, "the page's server has stopped");
            }
        });
        Ok(Self { url, pages, shared, entered: PageEntered(entered), task })
    }

    /// The address to open, good once.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Tells when the address has been used.
    pub fn entered(&self) -> PageEntered {
        self.entered.clone()
    }

    /// The next page that comes in. Cancel-safe.
    pub async fn next_page(&mut self) -> Option<PageConnection> {
        self.pages.recv().await
    }

    /// Makes a report readable for the page; returns its path, which nobody else can guess.
    pub fn keep_report(&self, html: Vec<u8>) -> String {
        let mut reports = self.shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() >= REPORTS {
            reports.remove(0);
        }
        let key = HEXLOWER.encode(&random());
        let path = format!("/report/{key}");
        reports.push(KeptReport { key, html: html.into() });
        path
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn random() -> [u8; SECRET] {
    let mut bytes = [0; SECRET];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

fn router(files: &'static [PageFile], shared: Arc<PageServerState>) -> Router {
    let mut router = Router::new();
    for file in files {
        let answer = || async { ([(header::CONTENT_TYPE, file.kind)], file.bytes) };
        router = router.route(file.path, get(answer));
    }
    router
        .route("/enter", post(enter))
        .route("/socket", get(socket))
        .route("/report/{key}", get(report))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(shared.clone(), check_request))
        .with_state(shared)
}

/// Checks every request, also those for unknown paths, and adds the headers of every answer.
async fn check_request(
    State(shared): State<Arc<PageServerState>>,
    ConnectInfo(PageCaller(peer)): ConnectInfo<PageCaller>,
    request: Request,
    next: Next,
) -> Response {
    let purpose = purpose_of(request.method(), request.uri().path()).unwrap_or(RequestPurpose::Page);
    let admitted = shared.admits(purpose, request.headers(), peer);
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(refused) => refusal(refused),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    response
}

fn purpose_of(method: &Method, path: &str) -> Option<RequestPurpose> {
    match path {
        "/enter" => Some(RequestPurpose::Enter),
        "/socket" => Some(RequestPurpose::Socket),
        _ if path.starts_with("/report/") => Some(RequestPurpose::Inside),
        _ if method == Method::GET => Some(RequestPurpose::Page),
        _ => None,
    }
}

fn refusal(refused: RequestRefused) -> Response {
    let words = format!("Nearhand: {refused}.\n");
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], words).into_response()
}

impl PageServerState {
    fn admits(
        &self,
        purpose: RequestPurpose,
        headers: &HeaderMap,
        peer: PeerUser,
    ) -> Result<(), RequestRefused> {
        // A header that comes twice counts for neither.
        let one = |name: HeaderName| {
            let mut all = headers.get_all(name).iter();
            let first = all.next().map(|value| value.to_str().unwrap_or("?"));
            if all.next().is_some() { Some("?") } else { first }
        };
        let asked = RequestHeaders {
            host: one(header::HOST),
            origin: one(header::ORIGIN),
            site: one(HeaderName::from_static("sec-fetch-site")),
        };
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).admits(purpose, &asked, peer)
    }
}

impl PageServerState {
    /// Whether the page's first message is the pass.
    async fn is_introduced(&self, socket: &mut WebSocket) -> bool {
        let Ok(_place) = self.strangers.try_acquire() else { return false };
        match timeout(INTRODUCTION, socket.next()).await {
            Ok(Some(Ok(Message::Text(pass)))) => {
                self.guard.lock().unwrap_or_else(PoisonError::into_inner).knows(&pass)
            }
            _ => false,
        }
    }
}

async fn enter(State(shared): State<Arc<PageServerState>>, token: String) -> Response {
    let entered = shared.guard.lock().unwrap_or_else(PoisonError::into_inner).enter(&token);
    match entered {
        Ok(pass) => {
            shared.entered.send_replace(true);
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], pass).into_response()
        }
        Err(refused) => refusal(refused),
    }
}

async fn report(State(shared): State<Arc<PageServerState>>, Path(key): Path<String>) -> Response {
    let reports = shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
    let found = reports.iter().find(|report| same(&report.key, &key)).map(|report| report.html.clone());
    drop(reports);
    match found {
        Some(report) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, REPORT_POLICY),
            ];
            (headers, Body::from(report.to_vec())).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn socket(State(shared): State<Arc<PageServerState>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(
        move |mut socket| async move {
            if !shared.is_introduced(&mut socket).await {
                return;
            }
            let (sink, stream) = socket.split();
            let (to, outgoing) = mpsc::channel(QUEUE);
            let (heard, from) = mpsc::channel(QUEUE);
            if shared.pages.send(PageConnection { to, heard: from }).await.is_err() {
                return;
            }
            // A page that no longer reads or no longer writes is gone: the end of one half ends the other.
            tokio::select! {
                () = write(sink, outgoing) => {}
                () = read(stream, heard) => {}
            }
        },
    )
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut outgoing: mpsc::Receiver<PageOutput>) {
    while let Some(next) = outgoing.recv().await {
        let message = match next {
            PageOutput::Message(say) => Message::Text(say.json().into()),
            PageOutput::Operations(bytes) => Message::Binary(bytes.into()),
            PageOutput::Copied { serial, form, last, bytes } => {
                let mut part = vec![2, form_byte(form), u8::from(last)];
                part.extend_from_slice(&serial.to_le_bytes());
                part.extend_from_slice(&bytes);
                Message::Binary(part.into())
            }
        };
        if !matches!(timeout(STUCK, sink.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    // The page is gone already if this fails.
    let _ = timeout(Duration::from_secs(1), sink.close()).await;
}

fn form_byte(form: PageClipboardForm) -> u8 {
    match form {
        PageClipboardForm::Text => 0,
        PageClipboardForm::Png => 1,
    }
}

async fn read(mut stream: SplitStream<WebSocket>, heard: mpsc::Sender<PageMessage>) {
    while let Some(Ok(message)) = stream.next().await {
        let said = match message {
            Message::Text(text) => match FromPage::read(&text) {
                Ok(said) => PageMessage::Request(said),
                Err(error) => {
                    tracing::warn!(%error, "the page is cut off");
                    return;
                }
            },
            Message::Binary(bytes) => match pasted(&bytes) {
                Some(pasted) => pasted,
                None => return,
            },
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        if heard.send(said).await.is_err() {
            return;
        }
    }
}

fn pasted(bytes: &[u8]) -> Option<PageMessage> {
    let ([form, last], bytes) = bytes.split_first_chunk()?;
    let form = match form {
        0 => PageClipboardForm::Text,
        1 => PageClipboardForm::Png,
        _ => return None,
    };
    Some(PageMessage::Pasted { form, last: *last == 1, bytes: bytes.to_vec() })
}
