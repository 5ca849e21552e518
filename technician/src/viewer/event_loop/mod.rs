//! The viewer's event loop: joins the session, the page and the streams between them ([`open_streams`]), and the
//! diagnostics that the page asks for ([`diagnostics`]).
//!
//! [`page_requests`] does what the page says.
//!
//! After every event the loop opens and closes streams as the grants now allow. A page that comes in is told the whole
//! state again.

mod diagnostics;
mod open_streams;
mod page_requests;
mod state;
mod stream_kind;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::server::{PageConnection, PageMessage, PageServer};
use super::session_link::SessionLink;
use crate::session::{SessionEnd, SessionUpdate};
use state::{ORDERS, ViewerLoop};

pub use state::{KeepReport, ViewerSettings};

/// Serves pages until the session ends, and returns how. `hear` is told every update of the session; when `stop`
/// is done, the session is ended.
pub async fn serve<L: SessionLink>(
    link: Arc<L>,
    mut updates: mpsc::Receiver<SessionUpdate>,
    server: PageServer,
    settings: ViewerSettings,
    mut hear: impl FnMut(&SessionUpdate),
    stop: impl Future<Output = ()>,
) -> Option<SessionEnd> {
    let (to_run, mut run) = mpsc::channel(ORDERS);
    let mut viewer = ViewerLoop::new(link, server, settings, to_run);
    let mut ticks = interval(Duration::from_secs(2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    let mut stopping = false;
    loop {
        tokio::select! {
            update = updates.recv() => {
                let update = update?;
                hear(&update);
                viewer.handle_update(update).await;
            }
            page = viewer.server.next_page() => viewer.attach(page?).await,
            heard = next_heard(&mut viewer.page) => match heard {
                Some(PageMessage::Request(said)) => viewer.handle_page(said).await,
                Some(PageMessage::Pasted { form, last: _, bytes }) => viewer.collect_paste(form, &bytes).await,
                None => viewer.detach(),
            },
            Some(over) = viewer.streams.join_next() => {
                if let Ok((kind, ended)) = over {
                    viewer.stream_ended(kind, &ended).await;
                }
            }
            Some(run) = run.recv() => viewer.handle_diagnostics(run).await,
            _ = ticks.tick(), if viewer.page.is_some() => viewer.tell_round_trip().await,
            () = &mut stop, if !stopping => {
                stopping = true;
                viewer.link.end().await;
            }
        }
        viewer.open_and_close().await;
        if let Some(end) = viewer.ended.take() {
            viewer.last_word(&end).await;
            return Some(end);
        }
    }
}

async fn next_heard(page: &mut Option<PageConnection>) -> Option<PageMessage> {
    match page {
        Some(page) => page.heard.recv().await,
        None => core::future::pending().await,
    }
}
