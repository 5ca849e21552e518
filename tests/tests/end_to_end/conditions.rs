//! Real trouble at a real agent becomes an alarm at its relay, and its end ends it: processors that are busy, a clock that
//! jumps, a name server that falls silent. A disk that fills up is in `agent_alarms.rs`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use nearhand_tests::clock::FakeClock;
use nearhand_tests::deployment::{ProgramPlace, TestDeployment};
use nearhand_tests::parties::TestAgent;
use nearhand_tests::program::until;
use rand_core::{OsRng, RngCore};
use serde_json::Value;

/// Before and after any `for` and `keep`, with a machine that does other things, too.
const LIMIT: Duration = Duration::from_secs(60);

/// An enrolled device with rules, and its relay.
struct WatchedDevice {
    agent: TestAgent,
    site: TestDeployment,
}

impl WatchedDevice {
    fn new(place: impl FnOnce(&TestDeployment) -> Result<ProgramPlace>, rules: &str) -> Result<Self> {
        let site = TestDeployment::new()?;
        let mut agent = site.device_at("pc-1", place(&site)?)?;
        fs::write(agent.data().join("rules.toml"), format!("profile = \"server\"\n{rules}"))?;
        agent.restart()?;
        agent.wait_connected()?;
        Ok(Self { agent, site })
    }

    /// The state of an alarm at the relay: of that rule, and of what, if that matters.
    fn state(&self, rule: &str, instance: Option<&str>) -> Result<Option<(String, String)>> {
        let listed = self.site.admin().run(&["alarms", "--all"])?.ok()?.json()?;
        let list = listed.as_array().or_else(|| listed.get("alarms")?.as_array()).context("no list")?;
        let text = |alarm: &Value, name: &str| {
            alarm.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let found = list.iter().find(|alarm| {
            text(alarm, "rule") == rule && instance.is_none_or(|instance| text(alarm, "instance") == instance)
        });
        Ok(found.map(|alarm| (text(alarm, "state"), text(alarm, "summary"))))
    }

    /// Waits until it is so; its sentence.
    fn becomes(&self, rule: &str, instance: Option<&str>, state: &str) -> Result<String> {
        let mut last = None;
        until(LIMIT, &format!("{rule} to be {state}"), || {
            last = self.state(rule, instance)?;
            Ok(last.as_ref().is_some_and(|(is, _)| is == state))
        })
        .with_context(|| format!("{last:?}\n{}", self.agent.program.text()))?;
        Ok(last.unwrap_or_default().1)
    }
}

#[test]
fn busy_processors_are_an_alarm() -> Result<()> {
    let rule = "[[rule]]\nname = \"busy\"\nsensor = \"cpu.busy\"\nevery = \"1s\"\nraise = \"> 90 %\"\nclear = \"< 20 %\"\n\
                severity = \"warning\"\n";
    let watched = WatchedDevice::new(|_| Ok(ProgramPlace::default()), rule)?;
    let stop = Arc::new(AtomicBool::new(false));
    let burners: Vec<_> = (0..thread::available_parallelism()?.get())
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let raised = watched.becomes("busy", None, "firing");
    stop.store(true, Ordering::Relaxed);
    for burner in burners {
        burner.join().map_err(|_| anyhow::anyhow!("a burner panicked"))?;
    }
    // Whether it ends depends on what else this machine does.
    raised.map(|_| ())
}

#[test]
fn a_clock_that_jumps_is_an_alarm_until_it_is_right_again() -> Result<()> {
    let room = tempfile::tempdir()?;
    let clock = FakeClock::new(&room.path().join("clock"))?;
    let rule = "[[rule]]\nname = \"clock\"\nevery = \"1s\"\nkeep = \"0s\"\n";
    let watched = WatchedDevice::new(|_| Ok(clock.place()), rule)?;
    ensure!(watched.state("clock", None)?.is_none(), "nothing is wrong yet");
    clock.jump("+90s")?;
    let said = watched.becomes("clock", None, "firing")?;
    ensure!(said.contains("the system clock is"), "{said}");
    clock.jump("+0")?;
    watched.becomes("clock", None, "resolved").map(|_| ())
}

/// A name server on a loopback address that nobody else has.
struct NameServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Result<()>>>,
}

impl NameServer {
    fn start(address: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(address).context("port 53 of a loopback address (needs root)")?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let mut buffer = [0; 512];
            while !told.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let mut answer = buffer.get(..length).context("what was received")?.to_vec();
                // It is an answer, to what was asked, without an error, and without an address.
                *answer.get_mut(2).context("a header")? |= 0x80;
                socket.send_to(&answer, from)?;
            }
            Ok(())
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    fn stop(mut self) -> Result<SocketAddr> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it runs")?;
        thread.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
        Ok(self.address)
    }
}

#[test]
fn a_name_server_that_falls_silent_is_an_alarm_until_it_answers() -> Result<()> {
    let [.., a, b, c] = OsRng.next_u32().to_be_bytes();
    let address = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
    let server = NameServer::start((address, 53).into())?;
    let rule = "[watch]\ndns = true\n[[rule]]\nname = \"dns\"\nevery = \"1s\"\nfor = \"0s\"\nkeep = \"0s\"\n";
    // A separate one: the machine's own servers are none of this test's business.
    let place = |site: &TestDeployment| {
        let file = site.directory("etc")?.join("resolv.conf");
        fs::write(&file, format!("nameserver {address}\n"))?;
        let mount = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", file.display());
        Ok(ProgramPlace::behind(&["unshare", "--mount", "sh", "-c", &mount, "sh"]))
    };
    let watched = WatchedDevice::new(place, rule)?;
    let instance = address.to_string();
    let address = server.stop()?;
    let said = watched.becomes("dns", Some(&instance), "firing")?;
    ensure!(said == format!("DNS server {instance} does not answer"), "{said}");
    let _back = NameServer::start(address)?;
    watched.becomes("dns", Some(&instance), "resolved").map(|_| ())
}
