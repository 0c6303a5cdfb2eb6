//! Lets fuzzing reach the code between the socket and lapin.

use lapin::protocol::basic::parse_properties;
use lapin::protocol::parse_class;

use super::frame_sanitizer::FrameSanitizer;

/// Says what lapin would read, when the bytes arrive in pieces of this length and lapin reads no more than this at
/// once.
pub fn handed_on(sent: &[u8], piece: usize) -> Vec<u8> {
    let mut sanitizer = FrameSanitizer::new(Default::default(), super::FRAME_MAX_BYTES);
    let (mut out, mut room) = (Vec::with_capacity(sent.len()), vec![0; piece]);
    let mut hand_on = |sanitizer: &mut FrameSanitizer| {
        while let length @ 1.. = sanitizer.hand_on(&mut room) {
            out.extend_from_slice(&room[..length]);
        }
    };
    for read in sent.chunks(piece) {
        sanitizer.take(read);
        hand_on(&mut sanitizer);
    }
    sanitizer.end();
    hand_on(&mut sanitizer);
    out
}

/// Whether lapin reads a method that is all of a frame's payload.
pub fn lapin_reads_method(payload: &[u8]) -> bool {
    matches!(parse_class(payload), Ok(([], _)))
}

/// Whether lapin reads the properties in the payload of a header frame, after class, weight and body size.
pub fn lapin_reads_properties(payload: &[u8]) -> bool {
    payload.get(12..).is_some_and(|properties| matches!(parse_properties(properties), Ok(([], _))))
}
