//! Reads the fields of an object, and collects all faults.

use std::borrow::Cow;
use std::mem;
use std::ops::RangeInclusive;

use events::json::Value;

use crate::faults::{Faults, Pointer, Unknown};

/// The value of one field, made from a string or a number.
pub(crate) trait Scalar: Sized {
    /// The text that a fault gives as expected.
    fn expected() -> String;

    /// `None` if the value is something else.
    fn read(value: &Value<'_>) -> Option<Self>;

    /// The rule that a refused value breaks, if there are too many rules for the text of what was expected.
    fn rule(_refused: &Value<'_>) -> Option<String> {
        None
    }
}

/// The fields of one object that were not read yet.
///
/// A reader gets `None` for a wrong and for a missing field, and goes on. The faults decide in the end.
pub(crate) struct Fields<'v, 'f> {
    members: Vec<(Cow<'v, str>, Value<'v>)>,
    at: Pointer<'f>,
    faults: &'f mut Faults,
}

impl<'v> Fields<'v, '_> {
    /// Lets `read` take the fields that it knows; the fields that are left are unknown.
    pub(crate) fn of<T>(
        value: Value<'v>,
        at: Pointer<'_>,
        faults: &mut Faults,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(members) = value else {
            faults.expected(at, "an object", &value);
            return None;
        };
        let mut fields = Fields { members, at, faults };
        let outcome = read(&mut fields);
        fields.refuse_the_rest();
        outcome
    }

    pub(crate) fn required<T: Scalar>(&mut self, name: &str) -> Option<T> {
        let value = self.take_required(name, T::expected)?;
        self.scalar(name, &value)
    }

    pub(crate) fn optional<T: Scalar>(&mut self, name: &str) -> Option<T> {
        let value = self.take(name)?;
        self.scalar(name, &value)
    }

    pub(crate) fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>) -> Option<T> {
        let value = self.take_required(name, || "an object".to_owned())?;
        Fields::of(value, Pointer::Member(&self.at, name), self.faults, read)
    }

    /// The objects of a list whose length is in `range`. It does not look at the objects of a longer list.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        range: RangeInclusive<usize>,
        read: impl Fn(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let expected = || format!("a list of {} to {}", range.start(), range.end());
        let value = self.take_required(name, expected)?;
        let at = Pointer::Member(&self.at, name);
        match value {
            Value::List(values) if range.contains(&values.len()) => {
                let mut read_so_far = Vec::with_capacity(values.len());
                for (index, value) in values.into_iter().enumerate() {
                    read_so_far.extend(Fields::of(value, Pointer::Element(&at, index), self.faults, &read));
                }
                Some(read_so_far)
            }
            other => {
                self.faults.expected(at, &expected(), &other);
                None
            }
        }
    }

    /// Notes a fault that only its reader can see: a field that does not agree with the others.
    pub(crate) fn fault(&mut self, name: &str, detail: String) {
        self.faults.add(Pointer::Member(&self.at, name), detail);
    }

    fn scalar<T: Scalar>(&mut self, name: &str, value: &Value<'_>) -> Option<T> {
        let read = T::read(value);
        if read.is_none() {
            let rule = T::rule(value).map_or_else(String::new, |rule| format!(": {rule}"));
            self.fault(name, format!("expected {}, found {value}{rule}", T::expected()));
        }
        read
    }

    fn take_required(&mut self, name: &str, expected: impl FnOnce() -> String) -> Option<Value<'v>> {
        let value = self.take(name);
        if value.is_none() {
            self.fault(name, format!("expected {}, found nothing", expected()));
        }
        value
    }

    // Two readers of one body may disagree on which of two equal members counts, so neither counts.
    fn take(&mut self, name: &str) -> Option<Value<'v>> {
        let mut found = None;
        let mut repeated = false;
        self.members.retain_mut(|(member, value)| {
            if member != name {
                return true;
            }
            repeated = found.is_some();
            found = Some(mem::take(value));
            false
        });
        if repeated {
            self.fault(name, "expected once, found again".to_owned());
        }
        found
    }

    fn refuse_the_rest(self) {
        if self.faults.unknown == Unknown::Refused {
            for (name, _) in &self.members {
                self.faults.add(Pointer::Member(&self.at, name), "expected nothing, found an unknown field");
            }
        }
    }
}
