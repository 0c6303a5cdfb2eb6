//! The settings of the journey, which are read from variables. All faults in them are reported at once.

use std::fmt;

use crate::fault::Fault;

/// How a round is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How many orders are placed.
    pub(crate) orders: usize,
    /// How often something breaks.
    pub(crate) faults: usize,
    /// The seed of all random choices.
    pub(crate) seed: u64,
    /// The only kind of fault that is played; all kinds without it.
    pub(crate) only: Option<Fault>,
    /// The settings of the long run, if it is played in place of a round.
    pub(crate) endurance: Option<Endurance>,
}

/// The settings of the long run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endurance {
    /// How long it is. Each minute except the first and the last has a fault.
    pub(crate) minutes: usize,
    /// Orders a second.
    pub(crate) rate: u32,
}

impl Settings {
    /// Reads the variables.
    ///
    /// # Errors
    /// A line for each variable that is not valid.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut whole = |name: &str, least: u64, most: u64, default: u64| {
            let Some(text) = variable(name) else { return default };
            text.parse().ok().filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
                wrong.push(format!("{name}={text:?}: expected a whole number from {least} to {most}"));
                default
            })
        };
        let orders = whole("ORDERS", 1, 100_000_000, 20_000);
        let faults = whole("FAULTS", 1, 10_000, 16);
        let seed = whole("SEED", 0, u64::MAX, rand::random_range(0..1_000_000));
        let minutes = whole("MINUTES", 3, 10_000, 0);
        let rate = whole("RATE", 1, 10_000, 500);
        let only = variable("FAULT").and_then(|name| {
            let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            if found.is_none() {
                let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
                wrong.push(format!("FAULT={name:?}: expected one of {}", names.join(", ")));
            }
            found
        });
        if let Some(only) = only.filter(|only| minutes > 0 && !only.is_outlived()) {
            let names: Vec<_> =
                Fault::ALL.iter().filter(|fault| fault.is_outlived()).map(|fault| fault.name()).collect();
            wrong.push(format!("FAULT={:?}: expected, for the long run, one of {}", only.name(), names.join(", ")));
        }
        if faults > orders {
            wrong.push(format!("FAULTS=\"{faults}\": expected no more than ORDERS, {orders}"));
        }
        let count = |number| usize::try_from(number).expect("the limits are small");
        if wrong.is_empty() {
            let rate = u32::try_from(rate).expect("the limits are small");
            let endurance = (minutes > 0).then(|| Endurance { minutes: count(minutes), rate });
            Ok(Self { orders: count(orders), faults: count(faults), seed, only, endurance })
        } else {
            Err(wrong)
        }
    }
}

/// The command that plays the same again.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endurance {
            Some(Endurance { minutes, rate }) => {
                write!(f, "make endure MINUTES={minutes} RATE={rate} SEED={}", self.seed)?
            }
            None => write!(f, "make faults ORDERS={} FAULTS={} SEED={}", self.orders, self.faults, self.seed)?,
        }
        self.only.map_or(Ok(()), |only| write!(f, " FAULT={}", only.name()))
    }
}
