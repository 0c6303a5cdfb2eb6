//! Finds free ports.

use std::{collections::BTreeSet, net::TcpListener, sync::Mutex};

// Below the ports that the kernel gives to outgoing connections: a client that dials a dead broker's port from the
// same port would be connected to itself.
const FROM: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port of 127.0.0.1 that is free now and that this process has not handed out before.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let random = uuid::Uuid::now_v7().into_bytes();
        let port = FROM + u16::from_be_bytes([random[14], random[15]]) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TAKEN.lock().expect("no holder panics").insert(port) {
            return port;
        }
    }
}
