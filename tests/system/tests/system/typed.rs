//! What the documents tell people to type, typed.

use anyhow::{Context, Result};
use nearhand_system_tests::{Machine, MachineNetwork};
use nearhand_test_programs::{ProgramBinary, workspace};

use crate::organisation::{connected, word_in};

/// What is typed where a program asks.
const ANSWERS: &[u8] = b"correct horse battery\ncorrect horse battery\n";

pub(crate) fn the_lines_of_the_documents_work_as_they_are_typed(mut network: MachineNetwork) -> Result<()> {
    let relay = unpacked(&mut network, "relay")?;
    let said = type_in(
        &relay,
        &block("docs/relay.md", "nearhand-relay init")?,
        &[("relay.example.org", relay.address())],
    )?;
    let claim = word_in(&said, "nearhand-claim-")?;
    // README.md installs the client by hand, and backs up to a stick.
    relay.shell("install -m 755 /root/nearhand /usr/bin/ && mkdir -p /media/usb")?;
    let typed = [("nearhand claim STRING", format!("nearhand claim {claim}"))];
    let typed = typed.each_ref().map(|(from, to)| (*from, to.as_str()));
    let said = type_in(&relay, &block("README.md", "nearhand claim")?, &typed)?;
    word_in(&said, "nearhand-site-")?;
    let said = relay.run(&["nearhand", "enrol", "till 3"])?;
    let string = word_in(&said, "nearhand-enrol-")?;

    let device = unpacked(&mut network, "till")?;
    type_in(
        &device,
        &block("docs/agent.md", "systemctl enable --now nearhand-agent")?,
        &[("STRING", string)],
    )?;
    connected(&device)
}

/// A machine with what README.md's build leaves: programs and the repository's files, nothing installed.
fn unpacked(network: &mut MachineNetwork, name: &str) -> Result<Machine> {
    let mut setup = network.machine(name)?.with(&workspace()?.join("packaging"), "/root/packaging");
    for program in ["nearhand-agent", "nearhand-relay", "nearhand"] {
        let file = ProgramBinary::Agent.path()?.with_file_name(program);
        setup = setup.with(&file, &format!("/root/{program}"));
    }
    setup.start()
}

/// The block of a document that has `line`, in the form of a shell's script.
fn block(document: &str, line: &str) -> Result<String> {
    let text = std::fs::read_to_string(workspace()?.join(document))?;
    let blocks = text.split("```").skip(1).step_by(2);
    let found = blocks.map(|block| block.split_once('\n').map_or("", |(_, lines)| lines));
    let mut found = found.filter(|block| block.contains(line));
    Ok(found.next().with_context(|| format!("{document} has no block with {line:?}"))?.to_owned())
}

/// Types it, in root's directory, with what a reader puts in.
fn type_in(machine: &Machine, lines: &str, put_in: &[(&str, &str)]) -> Result<String> {
    let mut lines = lines.to_owned();
    for (placeholder, value) in put_in {
        lines = lines.replace(placeholder, value);
    }
    // On a terminal, as people have one: it asks twice for the passphrase of the backup.
    let script = format!("cd /root\n{lines}");
    machine.write("/root/typed", &script)?;
    machine
        .feed(&["script", "--quiet", "--return", "--command", "sh -ex /root/typed", "/dev/null"], ANSWERS)
        .with_context(|| lines)
}
