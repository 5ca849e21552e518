//! Programs that run as the user whose desktop it is. Where systemd runs this machine it is asked for a transient unit: the
//! agent's own unit drops the right to become somebody else, and what it starts would keep its narrow view of the machine (no
//! `/tmp`, no privileges, no home to write). Elsewhere root becomes the user, and a user's own agent starts a plain child.
//!
//! Must not live here: what the programs are for.

mod program;
mod transient;

use std::io;
use std::path::PathBuf;

use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use crate::platform;
use program::{ProgramEnd, ProgramEnds};
use transient::TransientUnit;

pub use program::UserProgram;

/// Why a program could not be started as its user.
#[derive(Debug, thiserror::Error)]
pub enum UserProcessError {
    /// The system refuses.
    #[error("{program} can't be started; is it still where it was?", program = program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nobody has that number here.
    #[error("the user {0}, whose display it is, is not known here")]
    NoSuchUser(u32),
    /// The agent has no way to become that user.
    #[error(
        "the agent may not start a program as user {user}: its own rights don't reach, and systemd can't be asked to ({why})"
    )]
    NotAllowed {
        /// The user.
        user: u32,
        /// What stands in the way of asking systemd.
        why: String,
    },
}

/// A running program of a user, with its three pipes.
#[derive(Debug)]
pub struct UserProcess {
    /// Its standard input.
    pub input: pipe::Sender,
    /// Its standard output.
    pub output: pipe::Receiver,
    /// Its standard error.
    pub errors: pipe::Receiver,
    /// The process itself.
    pub life: ProcessLife,
}

/// A process, until it ends.
#[derive(Debug)]
pub enum ProcessLife {
    /// A child of the agent.
    Child(Child),
    /// A transient unit of systemd.
    Unit(TransientUnit),
}

impl ProcessLife {
    /// Waits for its end.
    ///
    /// # Errors
    /// How it ended instead of with exit code 0, in words.
    pub async fn ended(&mut self) -> Result<(), String> {
        match self {
            Self::Child(child) => match child.wait().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(status.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Self::Unit(unit) => unit.ended().await,
        }
    }

    /// Ends it by force.
    pub async fn kill(&mut self) {
        match self {
            Self::Child(child) => drop(child.kill().await),
            Self::Unit(unit) => unit.kill().await,
        }
    }
}

/// Whether a program can be started as that user at all.
///
/// # Errors
/// [`UserProcessError::NotAllowed`] if it can't.
pub async fn can_start_as(user: u32) -> Result<(), UserProcessError> {
    let refused = match way(user) {
        StartWay::Child | StartWay::Become => return Ok(()),
        StartWay::AskSystemd => match transient::reach().await {
            Ok(_) => return Ok(()),
            Err(_) if platform::may_become_others() => return Ok(()),
            Err(why) => why,
        },
        StartWay::Refused => "it doesn't run this machine".to_owned(),
    };
    Err(UserProcessError::NotAllowed { user, why: refused })
}

/// Starts it.
///
/// # Errors
/// [`UserProcessError`], in words for both people.
pub async fn start(program: UserProgram) -> Result<UserProcess, UserProcessError> {
    let why = match way(program.user) {
        StartWay::Child => return fork(&program, false),
        StartWay::Become => return fork(&program, true),
        StartWay::AskSystemd => match by_systemd(&program).await {
            Ok(process) => return Ok(process),
            Err(why) if platform::may_become_others() => {
                tracing::warn!(why, "systemd starts no program for us; becoming the user instead");
                return fork(&program, true);
            }
            Err(why) => why,
        },
        StartWay::Refused => "it doesn't run this machine".to_owned(),
    };
    Err(UserProcessError::NotAllowed { user: program.user, why })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StartWay {
    /// A child of the agent, as it is.
    Child,
    /// A child that becomes the user.
    Become,
    AskSystemd,
    Refused,
}

fn way(user: u32) -> StartWay {
    let is_own = user == platform::own_user();
    choose(
        is_own,
        platform::is_root(),
        platform::systemd_runs_here(),
        platform::is_a_service(),
        platform::may_become_others(),
    )
}

/// `is_service`: systemd started this agent, so its children have the unit's view of the machine.
const fn choose(is_own: bool, is_root: bool, systemd: bool, is_service: bool, may_become: bool) -> StartWay {
    match (is_own, is_root) {
        (true, false) => StartWay::Child,
        (true, true) if systemd && is_service => StartWay::AskSystemd,
        (true, true) => StartWay::Child,
        // Who is not root can only try what the kernel then refuses.
        (false, false) => StartWay::Refused,
        (false, true) if systemd => StartWay::AskSystemd,
        (false, true) if may_become => StartWay::Become,
        (false, true) => StartWay::Refused,
    }
}

fn fork(program: &UserProgram, becomes: bool) -> Result<UserProcess, UserProcessError> {
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)));
    if becomes {
        let group =
            platform::primary_group(program.user).ok_or(UserProcessError::NoSuchUser(program.user))?;
        // With the user, the standard library drops root's other groups.
        command.uid(program.user).gid(group).current_dir("/");
    }
    piped(command).map_err(|source| UserProcessError::Start { program: program.path.clone(), source })
}

/// Starts a child with pipes.
pub(crate) fn piped(mut command: Command) -> io::Result<UserProcess> {
    let (pipes, theirs) = Pipes::make()?;
    // Not killed when dropped: its pipe is closed then, and it may have things to let go of.
    command.stdin(theirs.input).stdout(theirs.output).stderr(theirs.errors);
    let child = command.spawn()?;
    Ok(pipes.with(ProcessLife::Child(child)))
}

async fn by_systemd(program: &UserProgram) -> Result<UserProcess, String> {
    let (pipes, theirs) = Pipes::make().map_err(|error| error.to_string())?;
    let unit = TransientUnit::start(program, theirs).await?;
    Ok(pipes.with(ProcessLife::Unit(unit)))
}

/// Our ends of a program's pipes.
struct Pipes {
    input: pipe::Sender,
    output: pipe::Receiver,
    errors: pipe::Receiver,
}

impl Pipes {
    fn make() -> io::Result<(Self, ProgramEnds)> {
        let (their_input, input) = io::pipe()?;
        let (output, their_output) = io::pipe()?;
        let (errors, their_errors) = io::pipe()?;
        let ours = Self {
            input: pipe::Sender::from_owned_fd(input.into())?,
            output: pipe::Receiver::from_owned_fd(output.into())?,
            errors: pipe::Receiver::from_owned_fd(errors.into())?,
        };
        let theirs = ProgramEnds {
            input: ProgramEnd(their_input.into()),
            output: ProgramEnd(their_output.into()),
            errors: ProgramEnd(their_errors.into()),
        };
        Ok((ours, theirs))
    }

    fn with(self, life: ProcessLife) -> UserProcess {
        UserProcess { input: self.input, output: self.output, errors: self.errors, life }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_asked_where_the_agents_own_children_would_see_too_little() {
        // is_own, is_root, systemd, is_service, may_become
        assert_eq!(choose(true, false, true, true, false), StartWay::Child, "a user's own agent");
        assert_eq!(choose(true, true, true, false, true), StartWay::Child, "root's own desktop, by hand");
        assert_eq!(
            choose(true, true, true, true, false),
            StartWay::AskSystemd,
            "PrivateTmp hides root's display"
        );
        assert_eq!(choose(false, true, true, true, false), StartWay::AskSystemd, "the service as shipped");
        assert_eq!(choose(false, true, true, false, true), StartWay::AskSystemd);
        assert_eq!(choose(false, true, false, false, true), StartWay::Become, "no systemd");
        assert_eq!(
            choose(false, true, false, false, false),
            StartWay::Refused,
            "a container without the right"
        );
        assert_eq!(choose(false, false, true, true, false), StartWay::Refused, "somebody else's desktop");
    }
}
