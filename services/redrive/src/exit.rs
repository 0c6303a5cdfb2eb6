//! What an error of messaging, or a letter left behind, means for a run that ends.

use chassis::Exit;
use messaging::Error;
use messaging::redrive::Summary;

/// A service would try again for ever; this run ends, and the exit code says whether trying the same again can help.
pub(crate) fn of(error: Error) -> Exit {
    let reason = error.to_string();
    if error.is_configuration() { Exit::Misconfigured(reason) } else { Exit::Unavailable(reason) }
}

/// Whoever started the run has to know of letters that it would have moved and could not.
pub(crate) fn after(summary: &Summary) -> Result<(), Exit> {
    match summary.not_taken {
        0 => Ok(()),
        1 => Err(Exit::Incomplete("1 dead letter could not be moved: the log names it".to_owned())),
        left => Err(Exit::Incomplete(format!("{left} dead letters could not be moved: the log names them"))),
    }
}
