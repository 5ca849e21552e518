//! The agent and the desktop's message bus, on a thread of their own.
//!
//! Lives here: the connection to the agent's socket and its coming back, verbs out, events in, notifications, the tray
//! icon. Must not live here: what any of it means (the model), how it looks (`face`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use nearhand_proto::message::local::{Reply, Said, Verb};
use nearhand_transport::local::{CallError, LocalClient};
use tokio::sync::mpsc;

use crate::model::Input;
use crate::notification;
use crate::tray::{self, Icon};

/// How long is waited before the agent is looked for again: the first time, and at most.
const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(2);

/// What the window wants.
#[derive(Debug)]
pub(crate) enum Order {
    Send(Verb),
    Notify {
        title: String,
        body: String,
    },
    Tray(Icon),
    /// The agent is told that the person closes the window; then it is over.
    Leave,
}

/// Runs until the window leaves. `tell` takes what happened; `done` is called at the end.
pub(crate) async fn run(
    socket: impl Future<Output = Option<PathBuf>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    tell: impl Fn(Input) + Clone + Send + 'static,
    labels: tray::Labels,
    done: impl FnOnce(),
) {
    let icon = tray::show(labels).await;
    let mut desk = Desk { icon };
    tokio::pin!(socket);
    let socket = loop {
        tokio::select! {
            socket = &mut socket => break socket,
            order = orders.recv() => match order {
                None | Some(Order::Leave) => break None,
                Some(Order::Send(_)) => {}
                Some(other) => desk.order(other).await,
            },
        }
    };
    if let Some(socket) = socket {
        serve(&socket, &mut orders, &tell, &mut desk).await;
    }
    done();
}

/// What is told to the desktop.
struct Desk {
    icon: Option<tray::Shown>,
}

impl Desk {
    async fn order(&mut self, order: Order) {
        match order {
            Order::Notify { title, body } => notification::show(&title, &body).await,
            Order::Tray(icon) => {
                if let Some(shown) = &self.icon {
                    tray::change(shown, icon).await;
                }
            }
            Order::Send(_) | Order::Leave => {}
        }
    }
}

/// Looks for the agent, serves while it is there, and looks again.
async fn serve(
    socket: &Path,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    tell: &(impl Fn(Input) + Clone + Send + 'static),
    desk: &mut Desk,
) {
    let mut wait = FIRST;
    loop {
        if let Ok(mut agent) = LocalClient::connect(socket, &[]).await
            && agent.ask(Verb::WatchAsWindow).await.is_ok()
            && let Ok(Reply::Status(status)) = agent.ask(Verb::Status).await
        {
            wait = FIRST;
            tell(Input::Connected(status));
            if connected(socket, &mut agent, orders, tell, desk).await {
                return;
            }
        }
        tell(Input::Lost);
        let again = tokio::time::sleep(wait);
        tokio::pin!(again);
        loop {
            tokio::select! {
                () = &mut again => break,
                order = orders.recv() => match order {
                    None | Some(Order::Leave) => return,
                    // Nobody is there to hear it, and what is asked now would mean something else later.
                    Some(Order::Send(_)) => {}
                    Some(other) => desk.order(other).await,
                },
            }
        }
        wait = (wait * 2).min(MOST);
    }
}

/// While the agent is there; whether the window leaves.
async fn connected(
    socket: &Path,
    agent: &mut LocalClient,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    tell: &(impl Fn(Input) + Clone + Send + 'static),
    desk: &mut Desk,
) -> bool {
    loop {
        tokio::select! {
            event = agent.event() => match event {
                Ok(event) => tell(Input::Event(event)),
                Err(_) => return false,
            },
            order = orders.recv() => match order {
                None | Some(Order::Leave) => {
                    // It may be gone already; then there is nobody to tell.
                    let _ = agent.ask(Verb::LeaveWindow).await;
                    return true;
                }
                Some(Order::Send(verb)) if takes_long(&verb) => {
                    let (socket, tell) = (socket.to_owned(), tell.clone());
                    tokio::spawn(async move { aside(&socket, verb, tell).await });
                }
                Some(Order::Send(verb)) => {
                    let answer = match agent.ask(verb.clone()).await {
                        Err(CallError::Refused(why)) => Err(why),
                        Err(_) => return false,
                        Ok(reply) => Ok(reply),
                    };
                    tell(Input::Answer(verb, answer));
                }
                Some(other) => desk.order(other).await,
            },
        }
    }
}

/// What takes its time is asked on a connection of its own, so that Stop never waits for it.
const fn takes_long(verb: &Verb) -> bool {
    matches!(verb, Verb::Fixes | Verb::NewCode | Verb::Windows)
}

async fn aside(socket: &Path, verb: Verb, tell: impl Fn(Input)) {
    let answer = match LocalClient::connect(socket, &[]).await {
        Ok(mut agent) => agent.ask(verb.clone()).await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| match error {
        CallError::Refused(why) => why,
        gone => Said::Words(gone.to_string()),
    });
    tell(Input::Answer(verb, answer));
}
