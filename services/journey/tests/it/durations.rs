//! One way to write a duration, whichever part of a service reads it.

use journey::Process;

use crate::variables::{self, SERVICES, Variable};

/// What a service says to this value of each variable; another one is wrong, so that it ends whatever it makes of them.
async fn said(service: &str, variables: &[&Variable], value: impl Fn(&Variable) -> String) -> String {
    let set = variables.iter().map(|variable| (variable.name.as_str(), value(variable)));
    let mut process = Process::start(service, set.chain([("LOG_FORMAT", "wrong".to_owned())]));
    assert_eq!(process.exit_code().await, 64, "{}", process.log());
    process.log()
}

/// Whether it is the form, or the range, that a service does not accept: what several variables make together is another
/// matter.
fn is_refused(said: &str, variable: &Variable) -> bool {
    said.lines().any(|line| {
        line.starts_with(&format!("{}=", variable.name)) && line.contains(&format!("expected {} (", variable.expected))
    })
}

/// The bounds of a range, as they are told: `a duration from 100ms to 1m`.
fn bounds(variable: &Variable) -> Option<(&str, &str)> {
    let (_, range) = variable.expected.split_once(" from ")?;
    let (least, most) = range.split_once(" to ")?;
    Some((least, most.split(',').next().unwrap()))
}

#[tokio::test]
async fn every_bound_that_is_told_is_accepted_and_no_other_form() {
    for service in SERVICES {
        let variables = variables::of(service).await;
        let durations: Vec<_> = variables.iter().filter(|variable| variable.expected.contains("duration")).collect();
        let bounded: Vec<_> = durations.iter().copied().filter(|variable| bounds(variable).is_some()).collect();
        assert!(!bounded.is_empty(), "{service}: {variables:?}");
        let least = said(service, &bounded, |variable| bounds(variable).unwrap().0.to_owned()).await;
        let most = said(service, &bounded, |variable| bounds(variable).unwrap().1.to_owned()).await;
        for variable in bounded {
            assert!(!is_refused(&least, variable) && !is_refused(&most, variable), "{least}{most}");
        }
        for form in ["1m 30s", "5sec", "1M", "1.5s", "+5s", "5 s", "10", "s", "6000000us", "99999999999999999999s"] {
            let told = said(service, &durations, |_| form.to_owned()).await;
            for variable in &durations {
                assert!(is_refused(&told, variable), "{service}: {} accepts {form:?}\n{told}", variable.name);
            }
        }
    }
}
