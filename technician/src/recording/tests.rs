//! The file's format and what it proves, against cuts, flips and forgeries.

use nearhand_proto::credential::{Credential, Invite, Role};
use nearhand_proto::id::{InviteId, SessionId};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::screen::{FrameEnd, FromScreen, ScreenPoint};
use nearhand_proto::recording_signature::RecordingHash;
use nearhand_proto::time::UnixMillis;
use proptest::prelude::*;

use super::format::{ChunkWriter, FormatError, MAGIC, RecordingChunk, RecordingReader, RecordingTitle};
use super::proof::{RecordingProof, RecordingVerifier, TamperError, TamperReason};
use super::timeline::{PAUSE, PlaybackStep, PlaybackTimeline};

const SESSION: SessionId = SessionId::from_bytes([5; 16]);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn device() -> SecretKey {
    key(1)
}

fn technician() -> (SecretKey, Credential) {
    let (organisation, one_time, own) = (key(2), key(3), key(4));
    let invite = Invite {
        id: InviteId::from_bytes([8; 16]),
        organisation: organisation.public().organisation_id(),
        organisation_name: "Acme".to_owned(),
        key: one_time.public(),
        role: Role::Technician,
        name: "Ada".to_owned(),
        issued: NOW,
        use_by: NOW,
        valid_until: NOW,
    };
    let invite = organisation.sign(&invite).unwrap();
    let credential = Credential::join(invite, &one_time, &own.public(), NOW).unwrap();
    (own, credential)
}

fn title() -> RecordingChunk {
    let (own, credential) = technician();
    let title = RecordingTitle {
        session: SESSION,
        began: NOW,
        device: "till 3".to_owned(),
        key: device().public(),
        credential: None,
        technician: "Ada".to_owned(),
        organisation: key(2).public(),
        organisation_name: "Acme".to_owned(),
        program: "0.1.0".to_owned(),
    };
    RecordingChunk::Title(own.sign(&title).unwrap(), Box::new(credential))
}

/// A part of a recording as a device sends it.
struct SigningDevice {
    chain: RecordingHash,
    key: SecretKey,
    said: Vec<RecordingChunk>,
}

impl SigningDevice {
    fn begin(part: u32) -> Self {
        let chain = RecordingHash::new(SESSION, part, NOW);
        let mut device = Self { chain, key: device(), said: Vec::new() };
        device.head(0, false);
        device
    }

    fn head(&mut self, millis: u32, last: bool) {
        let head = self.key.sign(&self.chain.head(millis, last)).unwrap();
        self.said.push(RecordingChunk::Message(FromScreen::Head(head)));
    }

    fn say(&mut self, message: FromScreen) {
        self.chain.take(&message).unwrap();
        self.said.push(RecordingChunk::Message(message));
    }

    fn frame(&mut self, millis: u32, frame: u32) {
        self.say(FromScreen::Clock(millis));
        self.say(FromScreen::Frame { frame, part: vec![7; 40], last: None });
        self.say(FromScreen::Frame { frame, part: vec![8; 3], last: Some(FrameEnd::default()) });
        self.say(FromScreen::CursorAt(Some(ScreenPoint { x: 3, y: 4 })));
    }
}

/// Two parts, the first with a head in the middle.
fn whole() -> Vec<RecordingChunk> {
    let mut one = SigningDevice::begin(1);
    one.frame(10, 1);
    one.frame(900, 2);
    one.head(2_000, false);
    one.frame(3_000, 3);
    one.head(4_000, true);
    let mut two = SigningDevice::begin(2);
    two.frame(50, 1);
    two.head(1_000, true);
    [vec![title()], one.said, two.said].concat()
}

fn bytes(chunks: &[RecordingChunk]) -> Vec<u8> {
    let mut writer = ChunkWriter::new();
    let written = chunks.iter().flat_map(|chunk| writer.chunk(chunk).unwrap());
    MAGIC.iter().copied().chain(written).collect()
}

#[derive(Debug)]
enum ProofOutcome {
    Proved(Box<RecordingProof>),
    Changed(TamperError),
    None(FormatError),
}

fn prove(bytes: &[u8]) -> ProofOutcome {
    let mut reader = match RecordingReader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return ProofOutcome::None(error),
    };
    let mut verifier = RecordingVerifier::default();
    let end = loop {
        match reader.next() {
            Ok(Some(chunk)) => {
                if let Err(changed) = verifier.add(&chunk) {
                    return ProofOutcome::Changed(changed);
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    match verifier.finish(end.as_ref()) {
        Ok(proof) => ProofOutcome::Proved(Box::new(proof)),
        Err(changed) => ProofOutcome::Changed(changed),
    }
}

fn proved(chunks: &[RecordingChunk]) -> RecordingProof {
    match prove(&bytes(chunks)) {
        ProofOutcome::Proved(proof) => *proof,
        other => panic!("{other:?}"),
    }
}

fn why(chunks: &[RecordingChunk]) -> (u64, TamperReason) {
    match prove(&bytes(chunks)) {
        ProofOutcome::Changed(changed) => (changed.frame, changed.why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_is_read_and_proved() {
    let proof = proved(&whole());
    assert!(proof.is_whole());
    assert_eq!((proof.frames, proof.millis(), proof.uncovered(), proof.missing()), (4, 5_000, 0, 0));
    assert_eq!(proof.title.device, "till 3");
    assert!(proof.technician.verify(&key(2).public(), NOW).is_ok());
}

#[test]
fn a_cut_anywhere_is_found_and_what_is_left_counts() {
    let all = bytes(&whole());
    let mut last = 0;
    for length in 0..all.len() {
        match prove(&all[..length]) {
            ProofOutcome::Proved(proof) => {
                // The first part alone is what its device has signed to the end.
                let ended = proof.parts.len() == 1 && !proof.torn && proof.millis() == 4_000;
                assert_eq!(proof.is_whole(), ended, "{length}");
                assert!(proof.frames >= last);
                last = proof.frames;
            }
            ProofOutcome::None(FormatError::Torn | FormatError::Other) => assert!(length < MAGIC.len()),
            ProofOutcome::Changed(changed) => {
                assert_eq!((changed.frame, changed.why), (0, TamperReason::Title));
            }
            other => panic!("{length}: {other:?}"),
        }
    }
    assert_eq!(last, 4);
}

#[test]
fn a_byte_that_is_flipped_anywhere_is_found() {
    let all = bytes(&whole());
    for place in 0..all.len() {
        let mut flipped = all.clone();
        flipped[place] ^= 0x40;
        if let ProofOutcome::Proved(proof) = prove(&flipped) {
            // A length that reaches past the end looks like a cut.
            assert!(proof.torn && !proof.is_whole(), "{place}");
        }
    }
}

/// An attacker who rewrites the whole file with correct checks, but has no key of the device.
#[test]
fn a_forgery_is_found_by_the_signatures_and_named_by_its_frame() {
    let good = whole();
    let at = |wanted: &dyn Fn(&FromScreen) -> bool| {
        good.iter().position(|chunk| matches!(chunk, RecordingChunk::Message(said) if wanted(said))).unwrap()
    };
    let third = at(&|said| matches!(said, FromScreen::Frame { frame: 3, .. }));
    let mut edited = good.clone();
    edited[third] = RecordingChunk::Message(FromScreen::Frame { frame: 3, part: vec![9; 40], last: None });
    assert_eq!(why(&edited), (4, TamperReason::Content), "noticed at the next head, after the third frame");
    let mut slower = good.clone();
    let clock = at(&|said| matches!(said, FromScreen::Clock(3_000)));
    slower[clock] = RecordingChunk::Message(FromScreen::Clock(3_500));
    assert_eq!(why(&slower).1, TamperReason::Content);
    let mut fewer = good.clone();
    fewer.remove(third + 2);
    assert_eq!(why(&fewer).1, TamperReason::Content);
    let mut forged = good.clone();
    let head = RecordingHash::new(SESSION, 1, NOW).head(0, false);
    forged[1] = RecordingChunk::Message(FromScreen::Head(key(9).sign(&head).unwrap()));
    assert_eq!(why(&forged), (1, TamperReason::Signature));
    let mut other = good.clone();
    let head = RecordingHash::new(SessionId::from_bytes([6; 16]), 1, NOW).head(0, false);
    other[1] = RecordingChunk::Message(FromScreen::Head(device().sign(&head).unwrap()));
    assert_eq!(why(&other).1, TamperReason::Order);
    let outside = [good.clone(), vec![RecordingChunk::Message(FromScreen::CursorAt(None))]].concat();
    assert_eq!(why(&outside), (5, TamperReason::Outside));
    let (_, credential) = technician();
    let RecordingChunk::Title(title, _) = title() else { panic!() };
    let mut renamed = title.peek().unwrap();
    renamed.technician = "Grace".to_owned();
    let renamed = RecordingChunk::Title(key(9).sign(&renamed).unwrap(), Box::new(credential));
    assert_eq!(why(&[vec![renamed], good[1..].to_vec()].concat()), (1, TamperReason::Title));
    assert_eq!(why(&good[1..]).1, TamperReason::Title);
}

#[test]
fn parts_that_are_left_out_or_swapped_are_noticed() {
    let good = whole();
    let second = good.iter().rposition(
        |chunk| matches!(chunk, RecordingChunk::Message(FromScreen::Head(head)) if head.peek().unwrap().messages == 0),
    );
    let second = second.unwrap();
    let late = proved(&[vec![good[0].clone()], good[second..].to_vec()].concat());
    assert_eq!((late.is_whole(), late.missing()), (false, 1));
    let swapped = [vec![good[0].clone()], good[second..].to_vec(), good[1..second].to_vec()].concat();
    assert_eq!(why(&swapped).1, TamperReason::Order);
    let doubled = [good.clone(), good[second..].to_vec()].concat();
    assert_eq!(why(&doubled).1, TamperReason::Outside);
}

#[test]
fn an_interruption_leaves_a_tail_without_signature() {
    let mut one = SigningDevice::begin(1);
    one.frame(10, 1);
    one.head(1_000, false);
    one.frame(5_000, 2);
    let mut two = SigningDevice::begin(2);
    two.frame(20, 1);
    two.head(700, true);
    let proof = proved(&[vec![title()], one.said, two.said].concat());
    assert!(!proof.is_whole() && !proof.torn);
    assert_eq!((proof.millis(), proof.uncovered(), proof.missing()), (5_700, 4_000, 0));
}

#[test]
fn zeros_at_the_end_are_a_cut_and_anything_else_is_not() {
    let good = bytes(&whole());
    let after = |more: &[u8]| prove(&[&good[..], more].concat());
    assert!(matches!(after(&[0; 9000]), ProofOutcome::Proved(proof) if proof.torn));
    assert!(matches!(
        after(&[0, 0, 0, 0, 1]),
        ProofOutcome::Changed(TamperError { why: TamperReason::Check, .. })
    ));
    assert!(matches!(after(&[0xff; 9]), ProofOutcome::Changed(_)), "a length beyond the limit");
    assert!(matches!(prove(b"nearhand-recording-2\nxx"), ProofOutcome::None(FormatError::Version)));
    assert!(matches!(prove(b"\x1a\x45\xdf\xa3"), ProofOutcome::None(FormatError::Other)));
}

#[test]
fn time_goes_on_over_parts_and_a_decoder_begins_with_each_first_frame() {
    let mut timeline = PlaybackTimeline::default();
    let mut begins = Vec::new();
    for chunk in whole() {
        let [first, _] = timeline.add(chunk).unwrap();
        if first == PlaybackStep::Begin {
            begins.push(timeline.now());
        }
    }
    assert_eq!(begins, [10, 4_000 + PAUSE + 50]);
    assert_eq!(timeline.now(), 4_000 + PAUSE + 1_000);
    // The rest of an earlier beginning, before the part's own.
    let mut timeline = PlaybackTimeline::default();
    let end = Some(FrameEnd::default());
    let frame = |frame| RecordingChunk::Message(FromScreen::Frame { frame, part: vec![1], last: end });
    assert_eq!(timeline.add(frame(7)).unwrap(), [PlaybackStep::Nothing, PlaybackStep::Nothing]);
    assert_eq!(timeline.add(frame(1)).unwrap()[0], PlaybackStep::Begin);
    assert!(matches!(timeline.add(frame(2)).unwrap(), [PlaybackStep::Frame { .. }, PlaybackStep::Nothing]));
    let open = RecordingChunk::Message(FromScreen::Frame { frame: 3, part: vec![1], last: None });
    timeline.add(open).unwrap();
    assert!(timeline.add(frame(4)).is_err(), "parts of two frames mixed");
}

/// The bytes of the format's first version: a change of them is a new version.
#[test]
fn the_bytes_of_a_recording_stay_as_they_were_released() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/recording/golden.recording");
    let now = bytes(&whole());
    if std::env::var_os("NEARHAND_REGENERATE_GOLDEN").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let released = std::fs::read(path).unwrap();
    assert!(released == now, "the recording's bytes have changed");
    let ProofOutcome::Proved(proof) = prove(&released) else { panic!() };
    assert!(proof.is_whole());
}

proptest! {
    /// Arbitrary bytes cause no panic, prove no whole recording, and take no more memory than a chunk.
    #[test]
    fn hostile_files_prove_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        behind in prop::bool::ANY,
    ) {
        let file = if behind { [&MAGIC[..], &bytes].concat() } else { bytes };
        if let ProofOutcome::Proved(proof) = prove(&file) {
            prop_assert!(!proof.is_whole());
        }
    }

    /// Chunks that are sound by themselves, two of them in each other's place: whole is only what the device has
    /// signed.
    #[test]
    fn swapped_chunks_are_whole_only_in_order(one in 0..whole().len(), other in 0..whole().len()) {
        let good = whole();
        let mut swapped = good.clone();
        swapped.swap(one, other);
        let mut timeline = PlaybackTimeline::default();
        for chunk in swapped.clone() {
            if timeline.add(chunk).is_err() {
                break;
            }
        }
        let same = swapped == good;
        let whole = matches!(prove(&bytes(&swapped)), ProofOutcome::Proved(proof) if proof.is_whole());
        prop_assert_eq!(whole, same);
    }
}
