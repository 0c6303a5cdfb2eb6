//! Reads the parameters behind the `?` of a broker's URL.

use std::ops::RangeInclusive;
use std::time::Duration;

use settings::whole;

use crate::Error;
use crate::link::FRAME_MAX_BYTES;

/// A frozen broker is noticed after 2 to 2.5 times the heartbeat, and never without a heartbeat.
const HEARTBEAT_SECONDS: RangeInclusive<u16> = 1..=600;
const TIMEOUT_MILLIS: RangeInclusive<u64> = 100..=60_000;
const FRAME_MAX: RangeInclusive<u32> = FRAME_MAX_BYTES..=1_048_576;

/// The properties of a connection that the URL sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) heartbeat_seconds: u16,
    pub(super) connection_timeout: Duration,
    pub(super) frame_max: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { heartbeat_seconds: 10, connection_timeout: Duration::from_secs(5), frame_max: FRAME_MAX_BYTES }
    }
}

impl Parameters {
    pub(super) fn parse(query: &str) -> Result<Self, Error> {
        let (mut parameters, mut seen) = (Self::default(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "heartbeat" => parameters.heartbeat_seconds = within(name, value, HEARTBEAT_SECONDS, "seconds")?,
                "connection_timeout" => {
                    parameters.connection_timeout =
                        Duration::from_millis(within(name, value, TIMEOUT_MILLIS, "milliseconds")?)
                }
                "frame_max" => parameters.frame_max = within(name, value, FRAME_MAX, "bytes")?,
                _ => return Err(unknown(name)),
            }
            if seen.contains(&name) {
                return Err(Error::Url(format!("its parameter {name} is given twice")));
            }
            seen.push(name);
        }
        Ok(parameters)
    }
}

fn within<T>(name: &str, value: &str, range: RangeInclusive<T>, unit: &str) -> Result<T, Error>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let fault = || {
        let (least, most) = (range.start(), range.end());
        Error::Url(format!("its parameter {name} must be a whole number of {unit} from {least} to {most}"))
    };
    whole(value).filter(|value| range.contains(value)).ok_or_else(fault)
}

/// A text that does not look like a name may be a piece of a password, so it is not repeated.
fn unknown(name: &str) -> Error {
    let is_name = (1..=40).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let quoted = if is_name { format!(" {name:?}") } else { String::new() };
    Error::Url(format!("unknown parameter{quoted}: known are heartbeat, connection_timeout and frame_max"))
}
