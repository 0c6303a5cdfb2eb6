//! What an error of messaging means for a run that ends.

use chassis::Exit;
use messaging::Error;

/// A service would try again for ever; this run ends, and the exit code says whether trying the same again can help.
pub(crate) fn of(error: Error) -> Exit {
    let reason = error.to_string();
    if error.is_configuration() { Exit::Misconfigured(reason) } else { Exit::Unavailable(reason) }
}
