//! Frames of a screen: the input is frames, each behind two bytes of length. A size that the input claims is at most
//! 255 × 255 here, so that the fuzzer spends its time on decoding.
#![no_main]

use nearhand_screen::{Picture, ScreenDecoder, Size};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (mut decoder, mut viewer) = (ScreenDecoder::new(), Picture::black(Size { width: 1, height: 1 }));
    let mut rest = input;
    while let Some((length, frames)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(frames.len());
        let (frame, next) = frames.split_at(length);
        let mut frame = frame.to_vec();
        if let [flags, _, width, _, height, ..] = frame.as_mut_slice()
            && *flags & 1 == 1
        {
            (*width, *height) = (0, 0);
        }
        if decoder.decode(&frame, &mut viewer).is_ok() {
            assert_eq!(decoder.size(), Some(viewer.size()));
        }
        rest = next;
    }
});
