//! The pages of documentation are held to the code: everything they name exists, and they name everything that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use journey::{Process, World};

use crate::variables::{self, SERVICES};

/// The folder of the workspace.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The README, and the pages that it leads to. The chart's tests hold the chart's own page to the chart.
const PAGES: [&str; 7] = [
    "README.md",
    SETTINGS,
    "services/OPERATING.md",
    "services/order/README.md",
    "services/redrive/README.md",
    "services/journey/README.md",
    "deploy/README.md",
];

/// The page with the tables of variables.
const SETTINGS: &str = "services/README.md";

fn read(page: &str) -> String {
    fs::read_to_string(top().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// A row of a table: default and meaning, without marks.
type Row = (String, String);

/// The tables of variables by the heading above each.
fn tables() -> BTreeMap<String, BTreeMap<String, Row>> {
    let mut tables = BTreeMap::<_, BTreeMap<_, _>>::new();
    let mut heading = String::new();
    for line in read(SETTINGS).lines() {
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
async fn the_settings_have_every_variable_of_each_service_as_its_help_has_it_and_no_other() {
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
        let Some((heading, row)) = found else { panic!("{SETTINGS}, {service}: {} is missing", variable.name) };
        let meaning = format!("{}: {}", variable.meaning, variable.expected).replace('`', "").to_lowercase();
        assert_eq!(*row, (variable.default, meaning), "{SETTINGS}, {heading}: {}", variable.name);
        unread.remove(&(heading, variable.name));
    }
    assert!(unread.is_empty(), "{SETTINGS} names variables that nothing reads: {unread:?}");
}

/// Everything that stands between backticks, in lines of code as well, each with its page.
fn code() -> Vec<(&'static str, String)> {
    let mut words = Vec::new();
    for page in PAGES {
        for (number, part) in read(page).split("```").enumerate() {
            match number % 2 {
                0 => words.extend(part.split('`').skip(1).step_by(2).map(|word| (page, word.to_owned()))),
                _ => words.extend(part.lines().map(|line| (page, line.to_owned()))),
            }
        }
    }
    assert!(words.len() > 50, "{words:?}");
    words
}

/// The chart gives these variables itself, or gives what they are made of.
const GIVEN_BY_THE_CHART: [&str; 6] =
    ["AMQP_URL", "AMQP_PASSWORD", "AMQP_CA_FILE", "OPS_ADDR", "HTTP_ADDR", "SHUTDOWN_TIMEOUT"];

#[tokio::test]
async fn the_chart_takes_the_variables_of_each_service_and_no_other() {
    let schema = fs::read_to_string(top().join("helm/warren/values.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let taken = |settings: &str| -> BTreeSet<String> {
        let known = schema["$defs"][settings]["properties"].as_object().expect("the schema lists variables");
        known.keys().filter(|name| !GIVEN_BY_THE_CHART.contains(&name.as_str())).cloned().collect()
    };
    let mut of_services = BTreeSet::new();
    for service in SERVICES {
        let read = variables::of(service).await.into_iter().map(|variable| variable.name);
        // Of OpenTelemetry's, any is taken.
        let read: BTreeSet<_> =
            read.filter(|name| !name.starts_with("OTEL_") && !GIVEN_BY_THE_CHART.contains(&name.as_str())).collect();
        assert_eq!(taken(&format!("{service}Settings")), read, "{service}");
        if service != "redrive" {
            of_services.extend(read);
        }
    }
    assert_eq!(taken("allSettings"), of_services);
}

#[tokio::test]
async fn every_metric_that_the_pages_name_is_shown_by_a_service_and_every_metric_is_named() {
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
    for (_, word) in code() {
        let parts = word.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(is_name);
        named.extend(parts.map(str::to_owned));
    }
    let base =
        |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| Some(name.strip_suffix(end)?.to_owned()));
    let exists = |name: &String| {
        families.contains(name.as_str()) || base(name).is_some_and(|base| families.contains(base.as_str()))
    };
    let unknown: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "these metrics are named and no service shows them: {unknown:?}");
    let unnamed: Vec<_> =
        families.iter().filter(|name| !name.starts_with("process_") && !named.contains(**name)).collect();
    assert!(unnamed.is_empty(), "no page names {unnamed:?}");
}

#[tokio::test]
async fn every_variable_target_and_path_that_the_pages_name_exists() {
    let mut known: BTreeSet<_> = BTreeSet::new();
    for service in SERVICES {
        known.extend(variables::of(service).await.into_iter().map(|variable| variable.name));
    }
    known.extend(variables::of_check().await.into_iter().map(|variable| variable.name));
    let makefile = read("Makefile");
    let scripts =
        ["deploy/run", "deploy/broker", "deploy/kind", "deploy/compose.yaml", "Dockerfile"].map(read).concat();
    for (page, word) in code() {
        for name in word.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|name| is_variable(name)) {
            let made = known.contains(name) || makefile.contains(name) || scripts.contains(name);
            assert!(made, "{page} names {name}, which nothing reads");
        }
        if let Some(target) = word.trim_start_matches("$ ").strip_prefix("make ") {
            let target = target.split_whitespace().next().unwrap_or_default();
            assert!(makefile.contains(&format!("\n{target}: ")), "{page} says `make {target}`");
        }
        for path in word.split([' ', '"', '\'']).filter(|word| is_path(word)) {
            assert!(top().join(path).exists(), "{page} names {path}");
        }
    }
}

/// The page's blocks of code that begin like this.
fn blocks(page: &str, beginning: &str) -> Vec<String> {
    let page = read(page);
    let blocks = page.split("```").skip(1).step_by(2).map(str::trim_start);
    blocks.filter_map(|block| Some(block.strip_prefix(beginning)?.trim().to_owned())).collect()
}

#[test]
fn the_service_in_the_readme_is_the_example() {
    let source = read("services/chassis/examples/audit.rs");
    let [shown] = &blocks("README.md", "rust\n")[..] else { panic!("there is one block of Rust") };
    assert_eq!(source.trim(), shown, "README.md shows another service");
}

#[tokio::test]
async fn the_faults_in_the_settings_are_told_like_that() {
    let command = "$ PREFETCH=many HANDLE_TIMEOUT=soon AMQP_URL=nonsense cargo run -q --bin email";
    let [shown] = &blocks(SETTINGS, command)[..] else { panic!("there is one such block") };
    let wrong = [("PREFETCH", "many"), ("HANDLE_TIMEOUT", "soon"), ("AMQP_URL", "nonsense")];
    let mut email = Process::start("email", wrong.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(email.exit_code().await, 64);
    assert_eq!(email.log().trim(), shown);
}

/// The name by which a link reaches a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    for page in PAGES.into_iter().chain(["helm/warren/README.md", "CHANGELOG.md"]) {
        let text = read(page);
        let folder = Path::new(page).parent().expect("it is a file");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { PathBuf::from(page) } else { folder.join(path) };
            assert!(top().join(&target).exists(), "{page} leads to {link}, which does not exist");
            if !heading.is_empty() {
                let target = fs::read_to_string(top().join(&target)).unwrap();
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(found, "{page} leads to {link}, and there is no such heading");
            }
        }
    }
}

#[test]
fn the_readme_leads_to_every_page_and_is_read_in_five_minutes() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 250, "README.md has {lines} lines: move what a stranger does not need to the page it is about");
    for page in PAGES.into_iter().skip(1).chain(["helm/warren/README.md", "CHANGELOG.md"]) {
        assert!(readme.contains(&format!("]({page})")), "README.md has no link to {page}");
    }
}

fn is_path(word: &str) -> bool {
    ["services/", "deploy/", "helm/", ".github/", ".cargo/"].iter().any(|folder| word.starts_with(folder))
}

/// Each crate of the services, and the crates of ours that it may depend on.
const DEPENDENCIES: [(&str, &[&str]); 9] = [
    ("events", &[]),
    ("settings", &[]),
    // It runs consumers, and its example is a service of the shop.
    ("chassis", &["messaging", "settings", "contract"]),
    ("contract", &["events"]),
    ("messaging", &["events", "settings"]),
    ("order", &["events", "contract", "messaging", "chassis", "settings"]),
    ("email", &["events", "contract", "messaging", "chassis", "settings"]),
    ("analytics", &["events", "contract", "messaging", "chassis", "settings"]),
    ("redrive", &["messaging", "chassis", "settings"]),
];

#[test]
fn the_crates_depend_on_each_other_in_one_direction() {
    for (name, allowed) in DEPENDENCIES {
        let manifest = read(&format!("services/{name}/Cargo.toml"));
        let (_, sections) = manifest.split_once("dependencies]").expect("it has dependencies");
        for (other, _) in DEPENDENCIES.iter().filter(|(other, _)| !allowed.contains(other)) {
            let named = sections.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(*other));
            assert!(!named, "{name} must not depend on {other}");
        }
    }
}
