//! Finds out whether the services wore out in the long run: compares what they held in the first minute and in the last.

use std::collections::HashSet;
use std::fmt;
use std::time::SystemTime;

use crate::sampler::Sample;
use crate::service::Service;

/// How much more resident memory a service may have than in the first minute. This is no leak: an allocator keeps the
/// memory that a backlog needed.
const MORE_KIB: u64 = 8 * 1024;
/// The most resident memory that a service may have.
const MOST_KIB: u64 = 32 * 1024;
/// How many lines of level warn and above a service may log from one fault to the next, without those about single events.
const TALK: usize = 20;
/// How many lines of level warn and above about single events a service may log from one fault to the next. Nobody reads
/// thousands.
const EVENTS: usize = 1000;

/// The comparison that is printed in the end.
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
        let lives: HashSet<_> = samples.iter().filter(|sample| sample.service == service).map(|s| s.process).collect();
        if lives.len() > 1 {
            self.wrong.push(format!("{service}: {} processes, so their measurements cannot be compared", lives.len()));
        }
        for (name, measure) in measures {
            let median = |span| {
                let mut values: Vec<_> = within(span).filter_map(measure).collect();
                values.sort_unstable();
                values.get(values.len() / 2).copied()
            };
            let (Some(before), Some(after)) = (median(first), median(last)) else {
                self.wrong.push(format!("{service}: its {name} was not measured in both calm minutes"));
                continue;
            };
            self.rows.push([service.to_owned(), name.to_owned(), before.to_string(), after.to_string()]);
            let bound = if name == "rss_kib" { (before + MORE_KIB).min(MOST_KIB) } else { before };
            if after > bound {
                self.wrong.push(format!("{service}: {name} {after} in the last minute, {before} in the first"));
            }
        }
    }

    /// Counts the warnings of a service from each fault to the next: those about itself, and those about single events.
    pub(crate) fn listen(&mut self, name: &'static str, service: &Service, troubles: &[(&'static str, Span)]) {
        // The first figure is of the time before all faults.
        let (mut said, mut single) = (vec![0; troubles.len() + 1], vec![0; troubles.len() + 1]);
        for (time, about_event) in crate::log::alarmed(service) {
            let after = troubles.iter().rposition(|(_, span)| span.from <= time).map_or(0, |trouble| trouble + 1);
            let lines = if about_event { &mut single } else { &mut said };
            lines[after] += 1;
        }
        let mut row = |what: &str, lines: usize| {
            self.rows.push([name.to_owned(), format!("warn lines, {what}"), String::new(), lines.to_string()]);
        };
        row("about single events", single.iter().sum());
        let names = ["before all faults"].into_iter().chain(troubles.iter().map(|(fault, _)| *fault));
        for ((what, said), single) in names.zip(said).zip(single) {
            row(what, said);
            for (lines, most, about) in [(said, TALK, "itself"), (single, EVENTS, "single events")] {
                if lines > most {
                    self.wrong.push(format!("{name}: {lines} lines of level warn and above about {about}, {what}"));
                }
            }
        }
    }

    /// Whether no service wore out.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The comparison of a first and a last minute with three measurements each. Those of the first minute have this memory,
    /// and `change` makes those of the last from them.
    fn wear(rss_kib: u64, change: impl FnMut(Sample) -> Sample) -> Wear {
        let look = |second: u64| Sample {
            at: at(second),
            service: "order",
            process: 1,
            rss_kib,
            fds: 70,
            threads: 4,
            connections: Some(1),
            channels: Some(8),
            log_lines: 0,
        };
        let first = [0, 10, 20].map(look).into_iter();
        let samples: Vec<_> = first.chain([100, 110, 120].map(look).into_iter().map(change)).collect();
        let mut wear = Wear::default();
        let spans = [0, 100].map(|from| Span { from: at(from), until: at(from + 60) });
        wear.compare(&samples, "order", spans[0], spans[1]);
        wear
    }

    #[test]
    fn a_service_that_holds_as_much_as_before_is_not_worn() {
        assert!(wear(20_000, |sample| sample).is_none());
        assert!(wear(20_000, |sample| Sample { rss_kib: sample.rss_kib + MORE_KIB, ..sample }).is_none());
    }

    #[test]
    fn one_measurement_that_stands_out_is_no_wear() {
        let mut looks = 0;
        let change = |sample: Sample| {
            looks += 1;
            if looks == 2 { Sample { fds: 99, ..sample } } else { sample }
        };
        assert!(wear(20_000, change).is_none());
    }

    #[test]
    fn one_more_of_anything_is_wear() {
        type Change = fn(Sample) -> Sample;
        let changes: [(&str, u64, Change); 7] = [
            ("rss_kib", 20_000, |sample| Sample { rss_kib: sample.rss_kib + MORE_KIB + 1, ..sample }),
            ("rss_kib", MOST_KIB, |sample| Sample { rss_kib: MOST_KIB + 1, ..sample }),
            ("fds", 20_000, |sample| Sample { fds: 71, ..sample }),
            ("threads", 20_000, |sample| Sample { threads: 5, ..sample }),
            ("connections", 20_000, |sample| Sample { connections: Some(2), ..sample }),
            ("channels", 20_000, |sample| Sample { channels: None, ..sample }),
            ("processes", 20_000, |sample| Sample { process: 2, ..sample }),
        ];
        for (what, rss_kib, change) in changes {
            let wrong = wear(rss_kib, change).wrong;
            assert!(matches!(&wrong[..], [only] if only.contains(what)), "{what}: {wrong:?}");
        }
    }
}
