//! Bytes that claim to be more than they are.

use anyhow::{Result, ensure};
use nearhand_proto::message::control::{CloseCode, DeviceFacts};
use nearhand_screen::{Picture, ScreenDecoder, Size};

use super::fixtures::with_eve;
use super::{AttackTrial, number};
use crate::deployment::TestDeployment;
use crate::heap;
use crate::hostile_device::{HostileDevice, HostilePayload};
use crate::wire_client::WireEndpoint;
use nearhand_machines::decoders::DECODERS;
use nearhand_machines::seeds;

/// Most that a decoder may hold of the heap at one moment, in bytes.
const HELD_AT_ONCE: f64 = 1_048_576.0;
/// How deep documents are nested.
const DEEP: usize = 10_000;

/// A length in the codec's variable form, at its longest.
fn claim(length: u64) -> Vec<u8> {
    let mut bytes = vec![253];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

/// Every decoder, with lies about lengths in all places of all that was ever released, and with documents nested without
/// end. How much it holds is counted where this runs in a program that counts (see [`heap`]).
pub(super) fn lengths_that_lie(trial: &AttackTrial) -> Result<()> {
    let claims = [claim(u64::from(u32::MAX)), claim(u64::MAX), claim(1 << 19)];
    let deep = ["[".repeat(DEEP), "{\"findings\":".repeat(DEEP)];
    let (mut most, mut whose, mut inputs) = (0, "", 0);
    let every = trial.many(16, 1);
    for decoder in DECODERS {
        let mut inputs_of: Vec<Vec<u8>> = deep.iter().map(|text| text.as_bytes().to_vec()).collect();
        inputs_of.extend(claims.iter().map(|claim| claim.repeat(64)));
        for seed in seeds::of(decoder)? {
            for at in (0..seed.bytes.len()).step_by(every) {
                let (head, tail) = seed.bytes.split_at(at);
                let rest = tail.get(1..).unwrap_or_default();
                inputs_of.extend(claims.iter().map(|lie| [head, lie, rest].concat()));
            }
        }
        for input in &inputs_of {
            let held = heap::measured(|| (decoder.decode)(input));
            if held > most {
                (most, whose) = (held, decoder.name);
            }
        }
        inputs += inputs_of.len();
    }
    trial.tried("inputs to all decoders", number(inputs));
    trial.at_most(&format!("held at once at most ({whose})"), number(most), "bytes", HELD_AT_ONCE)
}

pub(super) fn frames_that_are_none(_trial: &AttackTrial) -> Result<()> {
    let (_site, _agent, wire, eve) = with_eve(false)?;
    for bytes in [&[0xff; 4][..], &[0, 0, 16, 0], &[9, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1]] {
        let control = eve.connect(&wire)?;
        ensure!(control.raw(bytes)?.is_empty());
        ensure!(control.closed()? == CloseCode::Protocol, "{bytes:?}");
    }
    ensure!(eve.connect(&wire).is_ok());
    Ok(())
}

/// Pictures as a hostile device sends them to a real client, which decodes them in a separate process.
pub(super) fn hostile_pictures(trial: &AttackTrial) -> Result<()> {
    // The first byte says that a size follows: 65,535 × 65,535 pixels would be 17 GB.
    let huge = [&[1, 0xff, 0xff, 0xff, 0xff][..], &[0; 64]].concat();
    // A small picture, cut off behind its size, and one whose units are noise.
    let cut = vec![1, 64, 0, 64, 0];
    let noise: Vec<u8> = [1, 64, 0, 64, 0]
        .into_iter()
        .chain((0..50_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]))
        .collect();
    let held = heap::measured(|| {
        let mut viewer = Picture::black(Size { width: 1, height: 1 });
        let _refused = ScreenDecoder::new().decode(&huge, &mut viewer).is_err();
    });
    trial.at_most("held for a 65535² frame", number(held), "bytes", HELD_AT_ONCE)?;
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    for (name, frame) in [("huge", huge), ("cut", cut), ("noise", noise), ("ones", vec![0xff; 20_000])] {
        let facts = DeviceFacts { hostname: name.into(), os: "none".into() };
        let device = wire.enrol_as(&site.enrolment(name)?, facts.clone())?;
        let _hostile = HostileDevice::start(&wire, &device, facts, HostilePayload::Frame(frame))?;
        let out = site.directory("pictures")?.join(format!("{name}.png"));
        let done = site.admin().run(&["screenshot", name, "--out", &out.to_string_lossy()])?;
        ensure!(done.code == 1 && done.text.contains("makes no sense"), "{name}: {done:?}");
        ensure!(!done.text.contains("panicked") && !out.exists(), "{name}: {done:?}");
    }
    site.admin().run(&["devices"])?.ok()?;
    Ok(())
}
