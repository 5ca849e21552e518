//! Serves a session's streams on one connection, until it is lost or over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::chat::ChatChange;
use nearhand_proto::forward::BindState;
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Activity, AgentNotice};
use nearhand_proto::message::session::{
    FRAME_LIMIT, FromAgent, FromTechnician, HELLO_LIMIT, MAX_REASON, SessionEndReason, SessionRefusal,
    StreamAnswer, StreamOpen,
};
use nearhand_proto::text;
use nearhand_transport::bound_socket::BindControl;
use nearhand_transport::chat::ChatEnd;
use nearhand_transport::framed;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::desktop::SessionDesktop;
use super::display::{follow_screen, look_at_screen};
use super::hello::{ResumableSession, TechnicianStream};
use super::path::ServedPath;
use super::stream::{GRANT_GONE, LAST_WORD, ServedSession, WRITE_TIMEOUT, accept, refuse, revoked, short_id};
use super::{diagnostics, picture, runbook, screen, window};
use crate::hub::{Hub, ToSession};
use crate::off_loop::off_loop;
use crate::runbook::Runbooks;
use nearhand_agent_core::policy::OwnerPolicy;
use nearhand_agent_core::rate::RateLimit;
use nearhand_agent_core::sessions::{CapabilityRequest, OF_SCREEN};

/// Between two looks at whether something came.
const LISTEN: Duration = Duration::from_secs(1);
/// Looks without anything new after which the path is bound again: a keep-alive and a second's delay.
const SILENT: u32 = 4;
/// Interruptions shorter than this are not worth a word.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Messages of the technician that may wait.
const REQUESTS: usize = 16;
/// Messages of the technician that are read at once, fewer than may wait.
const PACE_BURST: u32 = 8;
/// One more is read after this long.
const PACE: Duration = Duration::from_millis(100);
/// A technician who opens stream after stream that is refused waits this long for each answer, so that no more than the
/// streams of one connection are refused in that time.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);
/// How serving ended.
pub(super) enum ServeEnd {
    /// The connection is gone; the session isn't.
    Lost,
    /// The session is over.
    Over(SessionEndReason),
    /// The agent is started again; the technician finds the session at the next process.
    Suspended,
}

/// Which kinds of stream may be open once at a time.
struct StreamSlots {
    chat: Semaphore,
    diagnostics: Semaphore,
    screen: Semaphore,
    input: Semaphore,
    clipboard: Semaphore,
    runbook: Semaphore,
}

impl StreamSlots {
    fn new() -> Self {
        let one = || Semaphore::new(1);
        Self {
            chat: one(),
            diagnostics: one(),
            screen: one(),
            input: one(),
            clipboard: one(),
            runbook: one(),
        }
    }
}

/// Serves the streams of one connection.
pub(super) async fn serve(
    hub: &Arc<Hub>,
    runbooks: &Arc<Runbooks>,
    standing: &ResumableSession,
    path: &ServedPath,
    connection: &Connection,
    TechnicianStream { mut send, recv }: TechnicianStream,
    inbox: &mut mpsc::Receiver<ToSession>,
) -> ServeEnd {
    let session = standing.session;
    let serving = Arc::new(ServedSession {
        hub: hub.clone(),
        runbooks: runbooks.clone(),
        session,
        actor: standing.technician.actor(),
        technician: standing.technician.clone(),
        desktop: SessionDesktop::default(),
    });
    let slots = Arc::new(StreamSlots::new());
    let Some(handle) = hub.session(session) else { return ServeEnd::Over(SessionEndReason::AgentStopping) };
    let (to_us, mut requests) = mpsc::channel(REQUESTS);
    let (ask, asked) = mpsc::channel(REQUESTS);
    // Dropped at the end of this function, which ends every task in it.
    let mut tasks = JoinSet::new();
    tasks.spawn(read_control(recv, to_us));
    tasks.spawn(watch_path(hub.clone(), session, path.control.watch()));
    tasks.spawn(answer_requests(serving.clone(), asked));
    tasks.spawn(follow_screen(hub.clone()));
    tasks.spawn(rebind_when_silent(connection.clone(), path.control.clone()));
    loop {
        let told = tokio::select! {
            told = inbox.recv() => match told {
                Some(ToSession::Tell(message)) => Some(message),
                Some(ToSession::End(ended)) => {
                    // A recording's last word goes first: the technician closes when they have read the other one.
                    let _ = timeout(LAST_WORD * 2, slots.screen.acquire()).await;
                    farewell(hub, &mut send, ended).await;
                    return ServeEnd::Over(ended);
                }
                Some(ToSession::Suspend) => return ServeEnd::Suspended,
                // The technician lost a connection that we still hold: theirs counts.
                Some(ToSession::Offer(offer)) => {
                    requeue(hub, offer);
                    return ServeEnd::Lost;
                }
                None => return ServeEnd::Over(SessionEndReason::AgentStopping),
            },
            request = requests.recv() => match request {
                Some(Ok(FromTechnician::End)) => {
                    farewell(hub, &mut send, SessionEndReason::ByTechnician).await;
                    return ServeEnd::Over(SessionEndReason::ByTechnician);
                }
                Some(Ok(request)) => {
                    if ask.try_send(request).is_err() {
                        tracing::warn!(session = short_id(session), "more requests than can be answered");
                        return ServeEnd::Lost;
                    }
                    None
                }
                Some(Err(end)) => {
                    tracing::warn!(session = short_id(session), ?end, "control stream ended");
                    return match end {
                        ControlStreamEnd::Hostile => ServeEnd::Over(SessionEndReason::ByTechnician),
                        ControlStreamEnd::Lost => ServeEnd::Lost,
                    };
                }
                None => return ServeEnd::Lost,
            },
            stream = connection.accept_bi() => match stream {
                Ok((send, recv)) => {
                    tasks.spawn(stream_task(serving.clone(), slots.clone(), send, recv, handle.watch_grants()));
                    None
                }
                Err(error) => return lost(&error),
            },
            Some(_) = tasks.join_next() => None,
        };
        if let Some(message) = told
            && tell(&mut send, &message).await.is_err()
        {
            return ServeEnd::Lost;
        }
    }
}

/// A connection's end: closed by the technician's program in order, or lost.
fn lost(error: &quinn::ConnectionError) -> ServeEnd {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) if close.error_code == VarInt::from_u32(0) => {
            ServeEnd::Over(SessionEndReason::ByTechnician)
        }
        _ => ServeEnd::Lost,
    }
}

/// Puts an offer back for the session's life to find once the old connection is closed.
fn requeue(hub: &Arc<Hub>, offer: nearhand_proto::message::control::SessionOffer) {
    let hub = hub.clone();
    tokio::spawn(async move {
        if hub.offered(offer).is_err() {
            tracing::debug!("the session went before its new path was used");
        }
    });
}

async fn tell(send: &mut SendStream, message: &FromAgent) -> Result<(), framed::FrameError> {
    match timeout(WRITE_TIMEOUT, framed::write(send, message, FRAME_LIMIT)).await {
        Ok(result) => result,
        Err(_) => Err(framed::FrameError::Closed),
    }
}

/// The last words: evidence of what the log holds, and why it is over.
async fn farewell(hub: &Hub, send: &mut SendStream, ended: SessionEndReason) {
    // A technician who is gone already can't be told.
    let _ = tell(send, &FromAgent::AuditHead(hub.audit_head())).await;
    let _ = tell(send, &FromAgent::Ended(ended)).await;
    let _ = send.finish();
}

/// How the technician's control stream ended.
#[derive(Clone, Copy, Debug)]
enum ControlStreamEnd {
    /// The technician's program broke the protocol.
    Hostile,
    /// The stream or its connection is gone.
    Lost,
}

/// Reads the control stream until it ends.
async fn read_control(mut recv: RecvStream, to: mpsc::Sender<Result<FromTechnician, ControlStreamEnd>>) {
    let mut pace = RateLimit::new(PACE_BURST, PACE);
    loop {
        // What isn't read waits at the technician's end.
        tokio::time::sleep(pace.wait_for(Instant::now(), 1)).await;
        pace.charge(Instant::now(), 1);
        let read = framed::read(&mut recv, FRAME_LIMIT).await.map_err(|error| {
            if error.is_hostile() { ControlStreamEnd::Hostile } else { ControlStreamEnd::Lost }
        });
        let over = read.is_err();
        if to.send(read).await.is_err() || over {
            return;
        }
    }
}

/// The technician's end sends something at least every `session::KEEP_ALIVE`. If nothing comes, packets to this
/// device may go to an address that it had before (a NAT has forgotten it): only the device can mend that.
async fn rebind_when_silent(connection: Connection, path: BindControl) {
    let mut heard = (connection.stats().udp_rx.datagrams, 0);
    loop {
        tokio::time::sleep(LISTEN).await;
        let datagrams = connection.stats().udp_rx.datagrams;
        heard = if datagrams == heard.0 { (datagrams, heard.1 + 1) } else { (datagrams, 0) };
        if heard.1 == SILENT {
            heard.1 = 0;
            path.rebind();
        }
    }
}

/// Tells the person when packets stop passing for longer than a moment, and when they pass again.
async fn watch_path(hub: Arc<Hub>, session: SessionId, mut state: watch::Receiver<BindState>) {
    let is_bound = |state: &BindState| matches!(state, BindState::Bound { .. });
    while state.wait_for(is_bound).await.is_ok() {
        if state.wait_for(|state| !is_bound(state)).await.is_err() {
            break;
        }
        if timeout(A_MOMENT, state.wait_for(is_bound)).await.is_err() {
            says(&hub, session, AgentNotice::PathLost);
            if state.wait_for(is_bound).await.is_ok() {
                says(&hub, session, AgentNotice::PathBack);
            }
        }
    }
    // The socket is gone; the connection tells the rest.
    core::future::pending::<()>().await;
}

impl ServedSession {
    /// Whether the technician may see a window and not the screen.
    fn sees_window_only(&self) -> bool {
        let Some(handle) = self.hub.session(self.session) else { return false };
        let granted = *handle.watch_grants().borrow();
        granted.contains(Capability::Window) && !granted.contains(Capability::View)
    }

    /// What the technician asks on the control stream. The answer comes by the session's inbox.
    async fn request(&self, request: FromTechnician) {
        let session = self.session;
        match request {
            FromTechnician::Ask { request, capabilities, seconds, reason } => {
                let reason = text::one_line(&reason, MAX_REASON);
                if !capabilities.intersection(OF_SCREEN).is_empty() {
                    // Who is at the screen now is asked; where nobody is, the hub refuses.
                    let _ = look_at_screen(&self.hub).await;
                }
                let asked = CapabilityRequest { request, capabilities, seconds, reason };
                let home = self.hub.home.clone();
                let policy = off_loop(move || home.policy()).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "the policy allows nothing until it is mended");
                    OwnerPolicy::default()
                });
                let policy = Some(policy).filter(|_| !self.hub.identity.clock_is_suspect());
                self.hub.update(|sessions, now| sessions.ask(now, session, asked, policy.as_ref()));
            }
            FromTechnician::GiveUp(what) => {
                self.hub.update(|sessions, now| sessions.give_up(now, session, what, &self.actor));
            }
            FromTechnician::Reason(reason) => {
                let reason = text::one_line(&reason, MAX_REASON);
                self.hub.update(|sessions, now| sessions.set_reason(now, session, &reason));
            }
            // The connection's own task ends with it.
            FromTechnician::End => {}
        }
    }
}

/// Answers the technician's requests in their order. By itself, because it reads the owner's policy from a disk, and the
/// connection's own task carries Stop.
async fn answer_requests(serving: Arc<ServedSession>, mut asked: mpsc::Receiver<FromTechnician>) {
    while let Some(request) = asked.recv().await {
        serving.request(request).await;
    }
    // The connection's own task says when it is over.
    core::future::pending::<()>().await;
}

/// Something is said of a session.
fn says(hub: &Hub, session: SessionId, said: AgentNotice) {
    hub.update(|sessions, now| sessions.did(now, session, Activity::Told(said)));
}

/// One stream of the technician, from what it is for to its end. Cut the moment its grant is gone.
async fn stream_task(
    serving: Arc<ServedSession>,
    slots: Arc<StreamSlots>,
    mut send: SendStream,
    mut recv: RecvStream,
    mut granted: watch::Receiver<Capabilities>,
) {
    let Ok(Ok(open)) = timeout(WRITE_TIMEOUT, framed::read::<StreamOpen>(&mut recv, HELLO_LIMIT)).await
    else {
        return;
    };
    let needs = open.needs();
    let answer = match needs.map_or(Ok(()), |capability| serving.allows(capability)) {
        Err(refusal) => StreamAnswer::Refused(refusal),
        // One window can't be used: a click would hit the window that covers it.
        Ok(()) if matches!(open, StreamOpen::Input) && serving.sees_window_only() => {
            StreamAnswer::Refused(SessionRefusal::NotGranted(Capability::View))
        }
        Ok(()) => StreamAnswer::Accepted,
    };
    if let StreamAnswer::Refused(refusal) = answer {
        if serving.refused(refusal) {
            tokio::time::sleep(REFUSAL_WAIT).await;
        }
        refuse(&mut send, refusal).await;
        return;
    }
    let work = conversation(&serving, &slots, open, &mut send, &mut recv);
    let cut = async {
        match needs {
            Some(capability) => {
                revoked(&mut granted, capability).await;
                if matches!(capability, Capability::View | Capability::Window) {
                    // The conversation has noticed, says nothing more but a recording's last word, and ends.
                    tokio::time::sleep(LAST_WORD * 2).await;
                }
            }
            None => core::future::pending().await,
        }
    };
    tokio::select! {
        () = work => { let _ = send.finish(); }
        () = cut => {
            let _ = send.reset(GRANT_GONE);
            let _ = recv.stop(GRANT_GONE);
        }
    }
}

async fn conversation(
    serving: &ServedSession,
    slots: &StreamSlots,
    open: StreamOpen,
    send: &mut SendStream,
    recv: &mut RecvStream,
) {
    let only = match &open {
        StreamOpen::Control(_) => return refuse(send, SessionRefusal::Protocol).await,
        StreamOpen::Chat => &slots.chat,
        StreamOpen::Diagnostics { .. } => &slots.diagnostics,
        // One or the other.
        StreamOpen::Screen | StreamOpen::Window => &slots.screen,
        StreamOpen::Input => &slots.input,
        StreamOpen::Clipboard => &slots.clipboard,
        // Its grant is good for one.
        StreamOpen::Screenshot => return picture::picture(serving, send).await,
        StreamOpen::Runbook => &slots.runbook,
        other @ (StreamOpen::File | StreamOpen::Terminal | StreamOpen::Action) => {
            let capability = other.needs().unwrap_or(Capability::View);
            return refuse(send, SessionRefusal::NotOffered(capability)).await;
        }
    };
    let Ok(_only) = only.try_acquire() else {
        return refuse(send, SessionRefusal::AlreadyOpen).await;
    };
    if !accept(send).await {
        return;
    }
    match open {
        StreamOpen::Chat => chat(serving, send, recv).await,
        StreamOpen::Diagnostics { set } => diagnostics::run(serving, set, send, recv).await,
        StreamOpen::Screen => screen::see(serving, screen::ViewTarget::Screen, send, recv).await,
        StreamOpen::Window => window::window(serving, send, recv).await,
        StreamOpen::Input => screen::input(serving, send, recv).await,
        StreamOpen::Clipboard => screen::clipboard(serving, send, recv).await,
        StreamOpen::Runbook => runbook::run(serving, send, recv).await,
        StreamOpen::Control(_)
        | StreamOpen::File
        | StreamOpen::Terminal
        | StreamOpen::Action
        | StreamOpen::Screenshot => {}
    }
}

async fn chat(serving: &ServedSession, send: &mut SendStream, recv: &mut RecvStream) {
    let (hub, session) = (&serving.hub, serving.session);
    let Some(handle) = hub.session(session) else { return };
    let end = handle
        .chat
        .carry(&mut *send, &mut *recv, |change| {
            hub.update(|sessions, now| match change {
                ChatChange::New(line) => {
                    let bytes = line.text.len();
                    sessions.chat_line(session, line);
                    sessions.chat_arrived(now, session, bytes)
                }
                ChatChange::Marked(lines) => {
                    lines.into_iter().for_each(|line| sessions.chat_mark(session, line));
                    Duration::ZERO
                }
                ChatChange::Nothing => sessions.chat_arrived(now, session, 0),
            })
        })
        .await;
    let Err(error) = end;
    if let ChatEnd::Rules(rule) = &error {
        hub.update(|sessions, now| sessions.chat_refused(now, session, &rule.to_string()));
    }
    tracing::debug!(session = short_id(session), %error, "chat stream");
}
