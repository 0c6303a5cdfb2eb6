//! What a redrive did, in numbers.

use std::fmt;

/// What became of the dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of letters at the start.
    pub found: u64,
    /// The number that are in their queue again, or would be.
    pub moved: u64,
    /// The number that were moved too often before.
    pub refused: u64,
    /// The number that the broker did not take, such as a letter that is larger than it allows by now.
    pub not_taken: u64,
    /// Whether this only says what would be done.
    pub dry_run: bool,
}

impl Summary {
    /// The number that stay dead, including those that were refused or not taken.
    pub fn left(&self) -> u64 {
        self.found.saturating_sub(self.moved)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moved = if self.dry_run { "would be moved" } else { "moved" };
        let (found, left) = (self.found, self.left());
        write!(
            f,
            "dead letters found: {found}, {moved}: {}, left: {left}, of these refused: {}, not taken: {}",
            self.moved, self.refused, self.not_taken
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_adds_up_and_says_what_was_only_tried() {
        let summary = Summary { found: 7, moved: 4, refused: 1, not_taken: 2, dry_run: false };
        let expected = "dead letters found: 7, moved: 4, left: 3, of these refused: 1, not taken: 2";
        assert_eq!(summary.to_string(), expected);
        let tried = Summary { dry_run: true, ..summary };
        assert_eq!(tried.to_string(), expected.replace("moved", "would be moved"));
    }
}
