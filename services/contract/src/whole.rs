//! Whole numbers within limits.

use events::json::Value;
use serde::Serialize;

use crate::fields::Scalar;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> Scalar for Whole<MIN, MAX> {
    fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        let Value::Whole(number) = value else { return None };
        let number = u64::try_from(*number).ok()?;
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }
}
