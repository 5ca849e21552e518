//! The agent's end: starts the desktop process, carries messages both ways, and knows how it ended.
//!
//! Both queues are short. A session that doesn't take frames leaves them in the process's pipe, where they hold up
//! the next capture; nothing piles up in the agent.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use nearhand_proto::text;
use nearhand_proto::wire;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::find::DisplayAccess;
use super::protocol::{FromDesktop, IncomingMessages, MAX_DESKTOP_MESSAGE, ToDesktop};
use crate::platform;

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
    /// The display belongs to a user that this machine doesn't know.
    #[error("the user {0}, whose display it is, is not known here")]
    NoSuchUser(u32),
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
    /// [`DesktopError::Start`] if the agent's program can't be run, [`DesktopError::NoSuchUser`] if this machine
    /// doesn't know the display's user.
    pub fn start(reach: &DisplayAccess) -> Result<(Self, mpsc::Receiver<FromDesktop>), DesktopError> {
        let mut command = Command::new(std::env::current_exe().map_err(DesktopError::Start)?);
        command.arg("desktop").env_clear().env("DISPLAY", &reach.display);
        let kept = ["PATH", "LANG", "LC_ALL", "NEARHAND_LOG"];
        command.envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(reach.authority.iter().map(|path| ("XAUTHORITY", path)));
        command.envs(reach.home.iter().map(|path| ("HOME", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if platform::is_root() && reach.user != platform::own_user() {
            let group = platform::primary_group(reach.user).ok_or(DesktopError::NoSuchUser(reach.user))?;
            // With the user, the standard library drops root's other groups.
            command.uid(reach.user).gid(group).current_dir("/");
        }
        // Not killed when dropped: its pipe is closed then, and it has keys to let go of.
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<(Self, mpsc::Receiver<FromDesktop>), DesktopError> {
        let mut child = command.spawn().map_err(DesktopError::Start)?;
        let (to, for_child) = mpsc::channel(QUEUE);
        let (sender, from) = mpsc::channel(QUEUE);
        let input = child.stdin.take().map(|input| tokio::spawn(write(input, for_child)));
        let output = child.stdout.take().map(|output| tokio::spawn(read(output, sender)));
        if let Some(errors) = child.stderr.take() {
            tokio::spawn(log(errors));
        }
        let end = tokio::spawn(async move {
            let written = async {
                if let Some(input) = input {
                    let _ = input.await;
                }
            };
            let ended = watch_over(child, written).await;
            if let Some(output) = output {
                // What it said at last, unless nobody listens any more.
                let _ = tokio::time::timeout(LAST_WORDS, output).await;
            }
            ended
        });
        Ok((Self { to, end }, from))
    }

    /// Closes the process's input, and waits for its end: seconds at most.
    pub async fn ended(self) -> DesktopEnd {
        drop(self.to);
        self.end.await.unwrap_or_else(|error| DesktopEnd::Crashed(error.to_string()))
    }
}

/// Waits for the end, for which the process has little time once its input is closed.
async fn watch_over(mut child: Child, written: impl Future<Output = ()>) -> DesktopEnd {
    let status = tokio::select! {
        status = child.wait() => status,
        () = written => match tokio::time::timeout(LAST_WORDS, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                let _ = child.kill().await;
                return DesktopEnd::Crashed("it did not end when told to".to_owned());
            }
        },
    };
    match status {
        Ok(status) if status.success() => DesktopEnd::Told,
        Ok(status) => DesktopEnd::Crashed(status.to_string()),
        Err(error) => DesktopEnd::Crashed(error.to_string()),
    }
}

async fn write(mut input: ChildStdin, mut messages: mpsc::Receiver<ToDesktop>) {
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

async fn read(mut output: ChildStdout, messages: mpsc::Sender<FromDesktop>) {
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
async fn log(errors: ChildStderr) {
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

    fn script(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn a_crash_is_told_apart_from_an_end() {
        let (desktop, mut from) = DesktopProcess::spawn(script("cat > /dev/null")).unwrap();
        desktop.to.send(ToDesktop::Wipe).await.unwrap();
        assert_eq!(desktop.ended().await, DesktopEnd::Told);
        assert_eq!(from.recv().await, None);
        let (desktop, mut from) = DesktopProcess::spawn(script("kill -SEGV $$")).unwrap();
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
        let (desktop, mut from) =
            DesktopProcess::spawn(script(&format!("cat {}", file.path().display()))).unwrap();
        assert_eq!(from.recv().await, Some(good));
        assert_eq!(from.recv().await, None);
        desktop.ended().await;
    }
}
