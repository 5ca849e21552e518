//! The agent's end: starts the desktop process, carries messages both ways, and knows how it ended.
//!
//! Both queues are short. A session that doesn't take frames leaves them in the process's pipe, where they hold up
//! the next capture; nothing piles up in the agent.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use nearhand_proto::text;
use nearhand_proto::wire;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::find::DisplayAccess;
use super::protocol::{FromDesktop, IncomingMessages, MAX_DESKTOP_MESSAGE, ToDesktop};
use crate::user_process::{self, ProcessLife, UserProcess, UserProcessError, UserProgram};

/// Messages that may wait in each direction.
const QUEUE: usize = 16;
/// How long the process may take to let go of everything once its pipe is closed.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Longest line of its log, in bytes.
const LOG_LINE: u64 = 4 * 1024;

/// Why the process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    /// The program could not be started.
    #[error("the desktop process can't be started; is the agent's program file still where it was?")]
    Start(#[source] io::Error),
    /// It can't be started as the display's user.
    #[error(transparent)]
    User(#[from] UserProcessError),
}

/// How the process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DesktopEnd {
    /// As it was told.
    Told,
    /// By a signal or an error, in words. What it said itself came before as [`FromDesktop::Failed`].
    Crashed(String),
}

/// A running desktop process. Dropping it closes the process's input: it lets go of keys and buttons, and ends.
#[derive(Debug)]
pub struct DesktopProcess {
    /// What is sent to it. Full when the process is behind.
    pub to: mpsc::Sender<ToDesktop>,
    end: JoinHandle<DesktopEnd>,
}

impl DesktopProcess {
    /// Starts one for that display, as the display's user if we are root, and what it says. The first message is
    /// [`FromDesktop::Ready`] or [`FromDesktop::Failed`]; after the last, ask [`DesktopProcess::ended`].
    ///
    /// # Errors
    /// [`DesktopError`]: the agent's program can't be run, or not as the display's user.
    pub async fn start(reach: &DisplayAccess) -> Result<(Self, mpsc::Receiver<FromDesktop>), DesktopError> {
        let path = std::env::current_exe().map_err(DesktopError::Start)?;
        let kept = ["PATH", "LANG", "LC_ALL", "NEARHAND_LOG"];
        let kept = kept.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let mut environment: Vec<(OsString, OsString)> = kept.collect();
        environment.push(("DISPLAY".into(), reach.display.clone()));
        environment.extend(reach.authority.iter().map(|path| ("XAUTHORITY".into(), path.clone())));
        environment.extend(reach.home.iter().map(|path| ("HOME".into(), path.clone())));
        let program = UserProgram {
            description: "Nearhand: sees and uses a display for a session",
            path,
            arguments: vec!["desktop".into()],
            environment,
            user: reach.user,
            may_gain_privileges: false,
        };
        Ok(Self::follow(user_process::start(program).await?))
    }

    fn follow(process: UserProcess) -> (Self, mpsc::Receiver<FromDesktop>) {
        let UserProcess { input, output, errors, life } = process;
        let (to, for_child) = mpsc::channel(QUEUE);
        let (sender, from) = mpsc::channel(QUEUE);
        let input = tokio::spawn(write(input, for_child));
        let output = tokio::spawn(read(output, sender));
        tokio::spawn(log(errors));
        let end = tokio::spawn(async move {
            let written = async {
                let _ = input.await;
            };
            let ended = watch_over(life, written).await;
            // What it said at last, unless nobody listens any more.
            let _ = tokio::time::timeout(LAST_WORDS, output).await;
            ended
        });
        (Self { to, end }, from)
    }

    /// Closes the process's input, and waits for its end: seconds at most.
    pub async fn ended(self) -> DesktopEnd {
        drop(self.to);
        self.end.await.unwrap_or_else(|error| DesktopEnd::Crashed(error.to_string()))
    }
}

/// Waits for the end, for which the process has little time once its input is closed.
async fn watch_over(mut life: ProcessLife, written: impl Future<Output = ()>) -> DesktopEnd {
    let ended = tokio::select! {
        ended = life.ended() => Some(ended),
        () = written => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => match tokio::time::timeout(LAST_WORDS, life.ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                life.kill().await;
                return DesktopEnd::Crashed("it did not end when told to".to_owned());
            }
        },
    };
    ended.map_or_else(DesktopEnd::Crashed, |()| DesktopEnd::Told)
}

async fn write(mut input: pipe::Sender, mut messages: mpsc::Receiver<ToDesktop>) {
    while let Some(message) = messages.recv().await {
        let frame = match wire::frame(&message, MAX_DESKTOP_MESSAGE) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a message to the desktop process was left out");
                continue;
            }
        };
        if input.write_all(&frame).await.is_err() {
            // Its end is told by its status.
            return;
        }
    }
}

async fn read(mut output: pipe::Receiver, messages: mpsc::Sender<FromDesktop>) {
    let mut incoming = IncomingMessages::default();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        incoming.push(buffer.get(..read).unwrap_or_default());
        loop {
            match incoming.next_message::<FromDesktop>() {
                Ok(Some(message)) if message.is_sound() => {
                    if messages.send(message).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => {
                    tracing::warn!(
                        "the desktop process said something that it must not; it is ignored from now on"
                    );
                    return;
                }
            }
        }
    }
}

/// Its log becomes ours.
async fn log(errors: pipe::Receiver) {
    let mut errors = BufReader::new(errors);
    loop {
        let mut line = Vec::new();
        match (&mut errors).take(LOG_LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {
                let line = text::one_line(&String::from_utf8_lossy(&line), 1_000);
                tracing::info!("{line}");
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(script: &str) -> (DesktopProcess, mpsc::Receiver<FromDesktop>) {
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", script]);
        DesktopProcess::follow(user_process::piped(command).unwrap())
    }

    #[tokio::test]
    async fn a_crash_is_told_apart_from_an_end() {
        let (desktop, mut from) = script("cat > /dev/null");
        desktop.to.send(ToDesktop::Wipe).await.unwrap();
        assert_eq!(desktop.ended().await, DesktopEnd::Told);
        assert_eq!(from.recv().await, None);
        let (desktop, mut from) = script("kill -SEGV $$");
        assert_eq!(from.recv().await, None);
        assert!(matches!(desktop.ended().await, DesktopEnd::Crashed(how) if how.contains("signal")));
    }

    #[tokio::test]
    async fn what_it_must_not_say_is_not_passed_on() {
        let long = FromDesktop::Failed("x".repeat(super::super::protocol::MAX_WORDS + 1));
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = FromDesktop::Ready { monitors: Vec::new() };
        let said = [&good, &long, &good].map(|m| wire::frame(m, MAX_DESKTOP_MESSAGE).unwrap()).concat();
        std::fs::write(file.path(), said).unwrap();
        let (desktop, mut from) = script(&format!("cat {}", file.path().display()));
        assert_eq!(from.recv().await, Some(good));
        assert_eq!(from.recv().await, None);
        desktop.ended().await;
    }
}
