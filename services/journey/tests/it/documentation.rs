//! The README is held to the code: what it names exists, and what exists is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use journey::{Process, World};

use crate::variables::{self, SERVICES};

/// The folder of the workspace.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn readme() -> String {
    fs::read_to_string(top().join("README.md")).expect("there is a README.md")
}

/// A row of a table: default and meaning, without marks.
type Row = (String, String);

/// The tables of variables by the heading above each.
fn tables() -> BTreeMap<String, BTreeMap<String, Row>> {
    let mut tables = BTreeMap::<_, BTreeMap<_, _>>::new();
    let mut heading = String::new();
    for line in readme().lines() {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_start_matches(['#', ' ']).replace('`', "");
        }
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        let [_, name, default, meaning, ..] = &cells[..] else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else { continue };
        if is_variable(name) {
            let row = (default.replace('`', ""), meaning.replace('`', "").to_lowercase());
            let twice = tables.entry(heading.clone()).or_default().insert(name.to_owned(), row);
            assert_eq!(twice, None, "{name} is twice under {heading:?}");
        }
    }
    tables
}

fn is_variable(word: &str) -> bool {
    word.contains('_') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        || ["CONCURRENCY", "PREFETCH", "QUEUE", "REASON", "LIMIT"].contains(&word)
}

/// The headings of the tables that speak of a service, or of a command.
fn headings(service: &str) -> &'static [&'static str] {
    match service {
        "order" => &["Every service", "order"],
        "email" => &["Every service", "Consumers: email and analytics", "email"],
        "analytics" => &["Every service", "Consumers: email and analytics", "analytics"],
        "redrive" => &["Every service", "redrive"],
        "order check" => &["order check"],
        other => unreachable!("{other} is none of ours"),
    }
}

#[tokio::test]
async fn the_readme_has_every_variable_of_each_service_as_its_help_has_it_and_no_other() {
    let tables = tables();
    let mut unread: BTreeSet<_> = tables
        .iter()
        .flat_map(|(heading, rows)| rows.keys().map(move |name| (heading.as_str(), name.clone())))
        .collect();
    let mut read: Vec<_> = variables::of_check().await.into_iter().map(|variable| ("order check", variable)).collect();
    for service in SERVICES {
        read.extend(variables::of(service).await.into_iter().map(|variable| (service, variable)));
    }
    for (service, variable) in read {
        let found =
            headings(service).iter().find_map(|&heading| Some((heading, tables.get(heading)?.get(&variable.name)?)));
        let Some((heading, row)) = found else { panic!("README.md, {service}: {} is missing", variable.name) };
        let meaning = format!("{}: {}", variable.meaning, variable.expected).replace('`', "").to_lowercase();
        assert_eq!(*row, (variable.default, meaning), "README.md, {heading}: {}", variable.name);
        unread.remove(&(heading, variable.name));
    }
    assert!(unread.is_empty(), "README.md names variables that nothing reads: {unread:?}");
}

/// All that stands between backticks, in lines of code as well.
fn code() -> Vec<String> {
    let readme = readme();
    let mut words = Vec::new();
    for (number, part) in readme.split("```").enumerate() {
        match number % 2 {
            0 => words.extend(part.split('`').skip(1).step_by(2).map(str::to_owned)),
            _ => words.extend(part.lines().map(str::to_owned)),
        }
    }
    assert!(words.len() > 50, "{words:?}");
    words
}

#[tokio::test]
async fn every_metric_that_the_readme_names_is_shown_by_a_service() {
    let world = World::start().await;
    world.place(&journey::an_order()).await;
    let mut shown = String::new();
    for process in [&world.order, &world.email, &world.analytics] {
        shown.push_str(process.ops("/metrics").await.text());
    }
    let families: BTreeSet<_> =
        shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let ours = ["messaging_", "http_server_", "email_", "analytics_", "warren_", "process_"];
    let is_name = |word: &&str| ours.iter().any(|prefix| word.starts_with(prefix)) && !word.ends_with('_');
    let mut named = BTreeSet::new();
    for word in code() {
        let parts = word.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(is_name);
        named.extend(parts.map(str::to_owned));
    }
    let base =
        |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| Some(name.strip_suffix(end)?.to_owned()));
    let exists = |name: &String| {
        families.contains(name.as_str()) || base(name).is_some_and(|base| families.contains(base.as_str()))
    };
    let unknown: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "README.md names metrics that nobody shows: {unknown:?}");
    let unnamed: Vec<_> =
        families.iter().filter(|name| !name.starts_with("process_") && !named.contains(**name)).collect();
    assert!(unnamed.is_empty(), "README.md does not name {unnamed:?}");
}

#[tokio::test]
async fn every_variable_target_and_path_that_the_readme_names_exists() {
    let mut known: BTreeSet<_> = BTreeSet::new();
    for service in SERVICES {
        known.extend(variables::of(service).await.into_iter().map(|variable| variable.name));
    }
    known.extend(variables::of_check().await.into_iter().map(|variable| variable.name));
    let read = |path| fs::read_to_string(top().join(path)).unwrap();
    let makefile = read("Makefile");
    let scripts = [read("deploy/kind"), read("deploy/compose.yaml"), read("Dockerfile")].concat();
    for word in code() {
        for name in word.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|name| is_variable(name)) {
            let made = known.contains(name) || makefile.contains(name) || scripts.contains(name);
            assert!(made, "README.md names {name}, which nothing reads");
        }
        if let Some(target) = word.trim_start_matches("$ ").strip_prefix("make ") {
            let target = target.split_whitespace().next().unwrap_or_default();
            assert!(makefile.contains(&format!("\n{target}: ")), "README.md says `make {target}`");
        }
        for path in word.split([' ', '"', '\'']).filter(|word| is_path(word)) {
            assert!(top().join(path).exists(), "README.md names {path}");
        }
    }
}

/// The README's blocks of code that begin like this.
fn blocks(beginning: &str) -> Vec<String> {
    let readme = readme();
    let blocks = readme.split("```").skip(1).step_by(2).map(str::trim_start);
    blocks.filter_map(|block| Some(block.strip_prefix(beginning)?.trim().to_owned())).collect()
}

#[test]
fn the_handler_in_the_readme_is_the_one_of_analytics() {
    let source = fs::read_to_string(top().join("services/analytics/src/totals.rs")).unwrap();
    let [shown] = &blocks("rust\n")[..] else { panic!("there is one block of Rust") };
    assert!(source.contains(shown), "README.md shows another handler than {source}");
}

#[tokio::test]
async fn the_faults_in_the_readme_are_told_like_that() {
    let [shown] = &blocks("$ PREFETCH=many HANDLE_TIMEOUT=soon AMQP_URL=nonsense cargo run -q --bin email")[..] else {
        panic!("there is one such block")
    };
    let wrong = [("PREFETCH", "many"), ("HANDLE_TIMEOUT", "soon"), ("AMQP_URL", "nonsense")];
    let mut email = Process::start("email", wrong.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(email.exit_code().await, 64);
    assert_eq!(email.log().trim(), shown);
}

fn is_path(word: &str) -> bool {
    ["services/", "deploy/", "helm/", ".github/", ".cargo/"].iter().any(|folder| word.starts_with(folder))
}
