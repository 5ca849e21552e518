//! Writes the seed corpora of the fuzz targets, a directory for each family and each state machine:
//! `cargo run -p nearhand-tests --bin seeds -- fuzz/corpus`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nearhand_machines::decoders::DecoderFamily;
use nearhand_machines::golden::GoldenVector;
use nearhand_machines::machines::MACHINES;
use nearhand_machines::seeds;

fn main() -> anyhow::Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).context("name the directory to write to")?);
    for family in DecoderFamily::ALL {
        write(&directory.join(family.name()), seeds::corpus(family)?)?;
    }
    for machine in MACHINES {
        write(&directory.join(machine.name), seeds::of_machine())?;
    }
    write(&directory.join("screen"), seeds::of_screen())
}

fn write(to: &Path, seeds: Vec<GoldenVector>) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{} can't be made", to.display()))?;
    for seed in seeds {
        let file = to.join(seed.name);
        fs::write(&file, seed.bytes).with_context(|| format!("{} can't be written", file.display()))?;
    }
    Ok(())
}
