//! Those who take part in a site: technicians with their client, devices with their agent, and the people at the
//! devices' consoles.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::build::ProgramBinary;
use crate::deployment::{CONSOLE, CommandResult, DeploymentContext, LIMIT, ProgramPlace};
use crate::program::{TestProgram, until};

/// How long a row may take to its disk.
const ROW_WITHIN: Duration = Duration::from_secs(10);

/// A technician's home.
#[derive(Clone)]
pub struct TestTechnician {
    home: PathBuf,
    name: String,
    place: ProgramPlace,
    ground: Arc<DeploymentContext>,
}

impl TestTechnician {
    pub(crate) fn new(ground: &Arc<DeploymentContext>, name: &str) -> Result<Self> {
        let home = ground.directory("people")?.join(name.replace(' ', "-"));
        Ok(Self { home, name: name.to_owned(), place: ProgramPlace::default(), ground: ground.clone() })
    }

    /// The same one, working elsewhere.
    #[must_use]
    pub fn at(&self, place: ProgramPlace) -> Self {
        Self { place, ..self.clone() }
    }

    /// The client's directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs a command to its end, with JSON output.
    ///
    /// # Errors
    /// It can't be run.
    pub fn run(&self, words: &[&str]) -> Result<CommandResult> {
        let home = self.home.to_string_lossy();
        let args = [&["--home", &home, "--json"], words].concat();
        self.ground.run(&self.name, &self.place, ProgramBinary::Client, &args)
    }

    /// Runs a command to its end, with output for people.
    ///
    /// # Errors
    /// It can't be run.
    pub fn run_plainly(&self, words: &[&str]) -> Result<CommandResult> {
        let home = self.home.to_string_lossy();
        self.ground.run(&self.name, &self.place, ProgramBinary::Client, &[&["--home", &home], words].concat())
    }

    /// Connects to a device, and stays.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn connect(&self, target: &str, more: &[&str]) -> Result<TestClient> {
        self.start(&[&["connect", target], more].concat())
    }

    /// Starts a command, with JSON output.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn start(&self, words: &[&str]) -> Result<TestClient> {
        self.start_with(words, &[])
    }

    /// Starts a command, with JSON output and with these variables of its environment.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn start_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Result<TestClient> {
        let home = self.home.to_string_lossy();
        let args = [&["--home", &home, "--json"], words].concat();
        let name = format!("client of {}", self.name);
        let set: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let env: Vec<&str> = core::iter::once("env").chain(set.iter().map(String::as_str)).collect();
        let place = if set.is_empty() { self.place.clone() } else { self.place.clone().then(&env) };
        Ok(TestClient { program: self.ground.start(&name, &place, ProgramBinary::Client, &args)? })
    }
}

/// A technician's client in a session.
pub struct TestClient {
    /// The program.
    pub program: TestProgram,
}

impl TestClient {
    /// Waits for the next event of this name.
    ///
    /// # Errors
    /// It doesn't come.
    pub fn event(&mut self, name: &str) -> Result<Value> {
        self.event_within(name, LIMIT)
    }

    /// Waits for the next event of this name.
    ///
    /// # Errors
    /// It doesn't come within `limit`.
    pub fn event_within(&mut self, name: &str, limit: Duration) -> Result<Value> {
        self.program.wait_map(&format!("the event {name:?}"), limit, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event.get("event")?.as_str()? == name).then_some(event)
        })
    }

    /// Waits for what is granted to be as said: `true` for something, `false` for nothing. Why it changed.
    ///
    /// # Errors
    /// It doesn't become so.
    pub fn granted(&mut self, something: bool) -> Result<String> {
        loop {
            let event = self.event("granted")?;
            let list = event.pointer("/granted").and_then(Value::as_array).context("no list")?;
            if list.is_empty() != something {
                return Ok(event.get("why").and_then(Value::as_str).unwrap_or_default().to_owned());
            }
        }
    }

    /// Waits for a chat message with this text, from this end or the other, with at least this mark.
    ///
    /// # Errors
    /// It doesn't come.
    pub fn chat(&mut self, text: &str, mark: &str) -> Result<Value> {
        self.program.wait_map(&format!("{text:?} marked {mark}"), LIMIT, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let is = |field: &str, value: &str| event.get(field).and_then(Value::as_str) == Some(value);
            (is("event", "chat") && is("text", text) && is("mark", mark)).then_some(event.clone())
        })
    }

    /// Says something, or gives a command.
    ///
    /// # Errors
    /// It no longer reads.
    pub fn say(&mut self, line: &str) -> Result<()> {
        self.program.type_line(line)
    }

    /// Waits for its end, and checks its exit code.
    ///
    /// # Errors
    /// It goes on, or ends otherwise.
    pub fn ends_with(&mut self, code: i32) -> Result<()> {
        self.ends_within(code, LIMIT)
    }

    /// Waits for its end, and checks its exit code.
    ///
    /// # Errors
    /// It goes on, or ends otherwise.
    pub fn ends_within(&mut self, code: i32, limit: Duration) -> Result<()> {
        let ended = self.program.exit(limit)?;
        ensure!(ended == code, "exit code {ended} instead of {code}:\n{}", self.program.text());
        Ok(())
    }

    /// Ends the session in order.
    ///
    /// # Errors
    /// It doesn't end well.
    pub fn end(&mut self) -> Result<()> {
        self.say("/end")?;
        self.ends_with(0)
    }
}

/// A device with its agent.
pub struct TestAgent {
    /// The running agent.
    pub program: TestProgram,
    label: String,
    data: PathBuf,
    place: ProgramPlace,
    ground: Arc<DeploymentContext>,
}

impl TestAgent {
    pub(crate) fn enrolled(
        ground: &Arc<DeploymentContext>,
        label: &str,
        place: ProgramPlace,
        string: &str,
    ) -> Result<Self> {
        let data = ground.directory("devices")?.join(label.replace(' ', "-"));
        let name = format!("agent {label}");
        let shown = data.to_string_lossy().into_owned();
        ground.run(&name, &place, ProgramBinary::Agent, &["--data", &shown, "enrol", string])?.ok()?;
        let program = ground.start(&name, &place, ProgramBinary::Agent, &["--data", &shown, "run"])?;
        Ok(Self { program, label: label.to_owned(), data, place, ground: ground.clone() })
    }

    /// Enrols and runs in one process tree, which later commands join.
    pub(crate) fn enrolled_in_one(
        ground: &Arc<DeploymentContext>,
        label: &str,
        place: &ProgramPlace,
        string: &str,
    ) -> Result<Self> {
        let data = ground.directory("devices")?.join(label.replace(' ', "-"));
        let (binary, shown) = (ProgramBinary::Agent.path()?, data.display());
        let script = format!(
            "'{0}' --data '{shown}' enrol {string} && exec '{0}' --data '{shown}' run",
            binary.display()
        );
        let words = [place.prefix.as_slice(), &["sh".to_owned(), "-c".to_owned(), script]].concat();
        let program = TestProgram::start(
            &format!("agent {label}"),
            &words,
            data.parent().unwrap_or(&data),
            &ground.logs,
        )?;
        let place = ProgramPlace::behind(&["nsenter", "-m", "-t", &program.pid().to_string()]);
        Ok(Self { program, label: label.to_owned(), data, place, ground: ground.clone() })
    }

    /// As [`TestAgent::allow`], where only the agent sees its directory.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn allow_inside(&self, capabilities: &str) -> Result<()> {
        let seen = format!("/proc/{}/root{}", self.program.pid(), self.data.display());
        write_policy(Path::new(&seen), capabilities, true)
    }

    /// Its directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Waits until it is connected to the relay again.
    ///
    /// # Errors
    /// It isn't in time.
    pub fn wait_connected(&mut self) -> Result<()> {
        self.program.wait_for("control: connected", Duration::from_secs(60)).map(|_| ())
    }

    /// Starts it again after it was ended.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn restart(&mut self) -> Result<()> {
        self.program.kill()?;
        let shown = self.data.to_string_lossy().into_owned();
        let name = format!("agent {}", self.label);
        self.program =
            self.ground.start(&name, &self.place, ProgramBinary::Agent, &["--data", &shown, "run"])?;
        Ok(())
    }

    /// Its other commands run elsewhere from now on.
    pub fn move_to(&mut self, place: ProgramPlace) {
        self.place = place;
    }

    /// Runs a command of the agent's program to its end.
    ///
    /// # Errors
    /// It can't be run.
    pub fn run(&self, words: &[&str]) -> Result<CommandResult> {
        let shown = self.data.to_string_lossy();
        let args = [&["--data", &shown], words].concat();
        self.ground.run(&self.label, &self.place, ProgramBinary::Agent, &args)
    }

    /// Its owner allows this much to every technician, even unasked.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn allow(&self, capabilities: &str, even_if_attended: bool) -> Result<()> {
        write_policy(&self.data, capabilities, even_if_attended)
    }

    /// A person sits down at it, with a support code.
    ///
    /// # Errors
    /// There is no code.
    pub fn attend(&self) -> Result<TestConsole> {
        let mut console = self.watch(&[])?;
        console.next_code()?;
        Ok(console)
    }

    /// A person sits down at it.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn watch(&self, words: &[&str]) -> Result<TestConsole> {
        let shown = self.data.to_string_lossy();
        let args = [&["--data", &shown, "attend"], words].concat();
        TestConsole::start(&self.ground, &self.label, &self.place, &args)
    }

    /// The person at it opens its window there.
    ///
    /// # Errors
    /// The window can't be built or started.
    pub fn window(&self, place: &ProgramPlace, words: &[&str]) -> Result<TestProgram> {
        crate::build::window()?;
        let shown = self.data.to_string_lossy();
        let args = [&["--data", &shown, "window"], words].concat();
        self.ground.start(&format!("{CONSOLE} window of {}", self.label), place, ProgramBinary::Agent, &args)
    }

    /// The rows of its audit log: actor, action and detail of each.
    ///
    /// # Errors
    /// It can't be read.
    pub fn audit(&self) -> Result<Vec<[String; 3]>> {
        let done = self.run(&["audit", "show", "--json"])?.ok()?;
        let field = |row: &Value, name: &str| {
            row.pointer(&format!("/event/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let rows = done.text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(rows.map(|row| ["actor", "action", "detail"].map(|name| field(&row, name))).collect())
    }

    /// How many rows of its audit log say this action.
    ///
    /// # Errors
    /// It can't be read.
    pub fn audited(&self, action: &str) -> Result<usize> {
        Ok(self.audit()?.iter().filter(|[_, of, _]| of == action).count())
    }

    /// Waits until that many rows of its audit log say this action. What only narrows, or is refused, is told before its
    /// row is on the disk.
    ///
    /// # Errors
    /// There are fewer after ten seconds, or more.
    pub fn has_audited(&self, action: &str, rows: usize) -> Result<()> {
        until(ROW_WITHIN, &format!("{rows} rows say {action}"), || Ok(self.audited(action)? >= rows))?;
        let found = self.audited(action)?;
        ensure!(found == rows, "{found} rows say {action}, not {rows}");
        Ok(())
    }
}

fn write_policy(directory: &Path, capabilities: &str, even_if_attended: bool) -> Result<()> {
    let rule = format!(
        "[[allow]]\ntechnicians = [\"*\"]\ncapabilities = [{capabilities}]\nfor = \"1h\"\n\
         even_if_attended = {even_if_attended}\n"
    );
    Ok(fs::write(directory.join("policy.toml"), rule)?)
}

/// A person at a device's console.
pub struct TestConsole {
    /// The program.
    pub program: TestProgram,
    /// The support code shown last.
    pub code: String,
    ground: Arc<DeploymentContext>,
}

impl TestConsole {
    pub(crate) fn start(
        ground: &Arc<DeploymentContext>,
        label: &str,
        place: &ProgramPlace,
        args: &[&str],
    ) -> Result<Self> {
        let program = ground.start(&format!("{CONSOLE} {label}"), place, ProgramBinary::Agent, args)?;
        Ok(Self { program, code: String::new(), ground: ground.clone() })
    }

    /// Waits for a line with this.
    ///
    /// # Errors
    /// It doesn't come.
    pub fn sees(&mut self, needle: &str) -> Result<String> {
        self.program.wait_for(needle, LIMIT)
    }

    /// Waits for a line with this.
    ///
    /// # Errors
    /// It doesn't come within `limit`.
    pub fn sees_within(&mut self, needle: &str, limit: Duration) -> Result<String> {
        self.program.wait_for(needle, limit)
    }

    /// Types a line.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn types(&mut self, line: &str) -> Result<()> {
        self.program.type_line(line)
    }

    /// Waits for the next support code.
    ///
    /// # Errors
    /// It doesn't come.
    pub fn next_code(&mut self) -> Result<String> {
        let line = self.sees("Your support code:")?;
        let digits: String = line.chars().filter(char::is_ascii_digit).take(12).collect();
        let (routing, secret) = digits.split_at_checked(4).context("no code")?;
        self.code = format!(
            "{routing} {} {}",
            secret.get(..4).unwrap_or_default(),
            secret.get(4..).unwrap_or_default()
        );
        self.ground.keep_secret("a support code", &self.code);
        self.ground.keep_secret("a support code", &digits);
        Ok(self.code.clone())
    }

    /// Waits for a request and allows it, as soon as that counts.
    ///
    /// # Errors
    /// It isn't asked, or it doesn't count.
    pub fn allows(&mut self) -> Result<()> {
        self.answers("allow")
    }

    /// Waits for a request and answers it, as soon as that counts.
    ///
    /// # Errors
    /// It isn't asked, or it doesn't count.
    pub fn answers(&mut self, answer: &str) -> Result<()> {
        self.sees("Type allow or deny")?;
        self.tries(answer)
    }

    /// Answers a request that is there, as soon as that counts.
    ///
    /// # Errors
    /// It doesn't count.
    pub fn tries(&mut self, answer: &str) -> Result<()> {
        let too_soon = "first read who asks";
        let decided = |program: &TestProgram| program.count(": allowed.") + program.count(": denied.");
        let (before, mut refused) = (decided(&self.program), self.program.count(too_soon));
        self.types(answer)?;
        // At first contact an answer counts only after a while.
        until(LIMIT, "the answer counts", || {
            if decided(&self.program) > before {
                return Ok(true);
            }
            if self.program.count(too_soon) > refused {
                refused = self.program.count(too_soon);
                std::thread::park_timeout(Duration::from_millis(500));
                self.types(answer)?;
            }
            Ok(false)
        })?;
        Ok(())
    }
}
