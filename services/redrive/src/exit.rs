//! The exit code of a run, from an error of messaging or from letters that were left behind.

use chassis::Exit;
use messaging::Error;
use messaging::redrive::Summary;

/// A service would try again for ever, but this run ends. The exit code says whether trying the same again can help.
pub(crate) fn of(error: Error) -> Exit {
    let reason = error.to_string();
    if error.is_configuration() { Exit::Misconfigured(reason) } else { Exit::Unavailable(reason) }
}

/// Reports the letters that should have been moved and could not, so that the caller learns of them.
pub(crate) fn after(summary: &Summary) -> Result<(), Exit> {
    match summary.not_taken {
        0 => Ok(()),
        1 => Err(Exit::Incomplete("1 dead letter could not be moved: the log names it".to_owned())),
        left => Err(Exit::Incomplete(format!("{left} dead letters could not be moved: the log names them"))),
    }
}
