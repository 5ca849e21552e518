//! Writes the seed corpora of the fuzz targets, a directory for each family:
//! `cargo run -p nearhand-tests --bin seeds -- fuzz/corpus`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use nearhand_tests::decoders::Family;
use nearhand_tests::seeds;

fn main() -> anyhow::Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).context("name the directory to write to")?);
    for family in Family::ALL {
        let to = directory.join(family.name());
        fs::create_dir_all(&to).with_context(|| format!("{} can't be made", to.display()))?;
        for seed in seeds::corpus(family)? {
            let file = to.join(seed.name);
            fs::write(&file, seed.bytes).with_context(|| format!("{} can't be written", file.display()))?;
        }
    }
    Ok(())
}
