//! A door to what happens to bytes between the socket and lapin.

use super::greeting::{Greeting, farewell};
use super::inlet::Inlet;

/// What is left for lapin of what was sent, where it comes in pieces of this length and no more is taken at once.
pub fn handed_on(sent: &[u8], piece: usize) -> Vec<u8> {
    let (mut inlet, mut greeting) = (Inlet::default(), Some(Greeting::default()));
    let (mut out, mut room) = (Vec::with_capacity(sent.len()), vec![0; piece]);
    let mut hand_on = |inlet: &mut Inlet| {
        while let length @ 1.. = inlet.hand_on(&mut room) {
            out.extend_from_slice(&room[..length]);
        }
    };
    for read in sent.chunks(piece) {
        if greeting.as_mut().is_some_and(|greeting| greeting.complete(read)) {
            let _ = greeting.take().map(|greeting| greeting.version());
        }
        let _ = farewell(read);
        inlet.take(read);
        hand_on(&mut inlet);
    }
    inlet.end();
    hand_on(&mut inlet);
    out
}
