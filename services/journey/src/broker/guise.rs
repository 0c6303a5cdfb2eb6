//! A broker that claims to be newer than it is.

use super::Broker;
use crate::Proxy;

impl Broker {
    /// A proxy whose greeting says that the broker is a RabbitMQ x.3, to test clients with a version that is not
    /// installed. If the broker is a RabbitMQ x.3, the greeting stays as it is.
    pub async fn posing_as_4_3(&self) -> Proxy {
        Proxy::rewording(self.port(), pose).await
    }
}

/// Makes the minor version a 3, with zeros before it: the greeting's lengths stay as they are.
fn pose(greeting: &mut [u8]) {
    let entry = b"\x07versionS";
    let at =
        greeting.windows(entry.len()).position(|window| window == entry).expect("a broker greets with its version");
    let version = at + entry.len() + 4;
    let dot =
        |from: usize, greeting: &[u8]| from + greeting[from..].iter().position(|&byte| byte == b'.').expect("x.y.z");
    let first = dot(version, greeting);
    let second = dot(first + 1, greeting);
    greeting[first + 1..second].fill(b'0');
    greeting[second - 1] = b'3';
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_minor_version_changes_and_no_length() {
        for (version, posed) in [("4.0.5", "4.3.5"), ("4.10.2", "4.03.2"), ("4.3.6", "4.3.6")] {
            let greet = |version: &str| [b"7.7 \x07versionS\x00\x00\x00\x05", version.as_bytes(), b" 8.8.8"].concat();
            let mut greeting = greet(version);
            pose(&mut greeting);
            assert_eq!(greeting, greet(posed));
        }
    }
}
