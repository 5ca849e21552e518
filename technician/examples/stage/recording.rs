//! A recording for the playback page's tests: half a minute, each second of which has its own colour.

use std::path::Path;

use nearhand_client::recording::format::{ChunkWriter, MAGIC, RecordingChunk, RecordingTitle};
use nearhand_proto::credential::{Credential, Invite, Role};
use nearhand_proto::id::{InviteId, SessionId};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::screen::{FrameEnd, FromScreen};
use nearhand_proto::recording_signature::RecordingHash;
use nearhand_proto::time::UnixMillis;
use nearhand_screen::{FrameSettings, PhotoQuality, Picture, Rect, ScreenEncoder, Size};

const SESSION: SessionId = SessionId::from_bytes([5; 16]);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const SIZE: Size = Size { width: 320, height: 200 };
/// Length of the recording in seconds.
const LENGTH: u32 = 30;
const SETTINGS: FrameSettings = FrameSettings {
    budget: usize::MAX,
    pixels: usize::MAX,
    photos: PhotoQuality::Exact,
    refine: true,
    focus: None,
};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// The colour that the screen has in a second; the tests work it out again.
fn colour(second: u32) -> u32 {
    (second * 8) << 16 | (255 - second * 8) << 8 | 77
}

fn title() -> RecordingChunk {
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
    let title = RecordingTitle {
        session: SESSION,
        began: NOW,
        device: "till 3".to_owned(),
        key: key(1).public(),
        credential: None,
        technician: "Ada".to_owned(),
        organisation: organisation.public(),
        organisation_name: "Acme".to_owned(),
        program: "0.1.0".to_owned(),
    };
    RecordingChunk::Title(own.sign(&title).unwrap(), Box::new(credential))
}

/// Writes the recording.
pub(crate) fn record(file: &Path) {
    let (mut chain, mut chunks) = (RecordingHash::new(SESSION, 1, NOW), vec![title()]);
    let head = |chain: &RecordingHash, millis, last| {
        RecordingChunk::Message(FromScreen::Head(key(1).sign(&chain.head(millis, last)).unwrap()))
    };
    chunks.push(head(&chain, 0, false));
    let mut encoder = ScreenEncoder::new(SIZE);
    for second in 0..LENGTH {
        let mut picture = Picture::black(SIZE);
        for y in 0..SIZE.height {
            let row = vec![colour(second); usize::from(SIZE.width)];
            picture.put(Rect::new(0, y, SIZE.width, 1), &row);
        }
        let coded = encoder.encode(&picture, &[SIZE.rect()], SETTINGS).unwrap();
        let last = Some(FrameEnd { exact: coded.exact, ..FrameEnd::default() });
        let frame = FromScreen::Frame { frame: second + 1, part: coded.bytes, last };
        for message in [FromScreen::Clock(second * 1_000), frame] {
            chain.take(&message).unwrap();
            chunks.push(RecordingChunk::Message(message));
        }
    }
    chunks.push(head(&chain, LENGTH * 1_000, true));
    let mut writer = ChunkWriter::new();
    let written = chunks.iter().flat_map(|chunk| writer.chunk(chunk).unwrap());
    std::fs::write(file, MAGIC.iter().copied().chain(written).collect::<Vec<u8>>()).unwrap();
}
