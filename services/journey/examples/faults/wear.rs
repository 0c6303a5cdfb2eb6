//! Whether a long run wore the services: what they held in the first minute, beside what they hold in the last.

use std::fmt;
use std::time::SystemTime;

use crate::sampler::Sample;
use crate::service::Service;

/// How much more resident memory than in the first minute is no leak: an allocator keeps what a backlog needed.
const MORE_KIB: u64 = 8 * 1024;
/// What a service may have in any case.
const MOST_KIB: u64 = 32 * 1024;
/// How many lines of level warn and above one trouble may make in one service, besides those about single events.
const TALK: usize = 20;

/// What is printed in the end.
#[derive(Default)]
pub(crate) struct Wear {
    rows: Vec<[String; 4]>,
    wrong: Vec<String>,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: SystemTime,
    pub(crate) until: SystemTime,
}

impl Span {
    fn holds(&self, time: SystemTime) -> bool {
        self.from <= time && time < self.until
    }
}

impl Wear {
    /// Compares two calm minutes.
    pub(crate) fn compare(&mut self, samples: &[Sample], service: &'static str, first: Span, last: Span) {
        let within =
            |span: Span| samples.iter().filter(move |sample| sample.service == service && span.holds(sample.at));
        type Measure = fn(&Sample) -> Option<u64>;
        let measures: [(&str, Measure); 5] = [
            ("rss_kib", |sample| Some(sample.rss_kib)),
            ("fds", |sample| Some(sample.fds)),
            ("threads", |sample| Some(sample.threads)),
            ("connections", |sample| sample.connections),
            ("channels", |sample| sample.channels),
        ];
        for (name, measure) in measures {
            let sorted = |span| {
                let mut values: Vec<_> = within(span).filter_map(measure).collect();
                values.sort_unstable();
                values
            };
            let (before, after) = (sorted(first), sorted(last));
            let (Some(&most), Some(&least)) = (before.last(), after.first()) else {
                self.wrong.push(format!("{service}: nobody saw its {name} in both calm minutes"));
                continue;
            };
            let median = |values: &[u64]| values[values.len() / 2].to_string();
            self.rows.push([service.to_owned(), name.to_owned(), median(&before), median(&after)]);
            let bound = if name == "rss_kib" { (most + MORE_KIB).min(MOST_KIB) } else { most };
            if least > bound {
                self.wrong.push(format!(
                    "{service}: {name} never below {least} in the last minute, at most {most} in the first"
                ));
            }
        }
    }

    /// Counts what a service said of each trouble.
    pub(crate) fn listen(&mut self, name: &'static str, service: &Service, troubles: &[(&'static str, Span)]) {
        let mut said = vec![0; troubles.len()];
        for time in crate::log::alarmed(service) {
            let during = troubles.iter().position(|(_, span)| span.holds(time));
            during.into_iter().for_each(|trouble| said[trouble] += 1);
        }
        for ((fault, _), lines) in troubles.iter().zip(said) {
            self.rows.push([name.to_owned(), format!("warn lines, {fault}"), String::new(), lines.to_string()]);
            if lines > TALK {
                self.wrong.push(format!("{name}: {lines} lines of level warn and above about {fault}"));
            }
        }
    }

    /// Whether nothing wore.
    pub(crate) fn is_none(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl fmt::Display for Wear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<10}  {:<34}  {:>12}  {:>12}", "service", "median of", "first minute", "last minute")?;
        for [service, what, first, last] in &self.rows {
            writeln!(f, "{service:<10}  {what:<34}  {first:>12}  {last:>12}")?;
        }
        self.wrong.iter().try_for_each(|line| writeln!(f, "worn: {line}"))
    }
}
