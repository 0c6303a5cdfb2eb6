//! The variables of a service, as its `--help` lists them.

use journey::Process;

/// All binaries that a user starts.
pub(crate) const SERVICES: [&str; 4] = ["order", "email", "analytics", "redrive"];

/// One variable of a service.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) expected: String,
    /// `none` where there is none.
    pub(crate) default: String,
}

/// The variables that this service reads.
pub(crate) async fn of(service: &str) -> Vec<Variable> {
    let mut help = Process::start_with(service, &["--help"], []);
    assert_eq!(help.exit_code().await, 0, "{}", help.log());
    let help = help.log();
    let (_, environment) = help.split_once("\nEnvironment:\n").expect("the help has a list of variables");
    let lines: Vec<_> = environment.lines().map(str::trim).collect();
    let variables: Vec<_> = lines.chunks(2).map(|pair| Variable::parse(pair[0], pair[1])).collect();
    assert!(variables.len() > 20, "{help}");
    variables
}

impl Variable {
    /// Reads `MEANING: EXPECTED (default: DEFAULT)`.
    fn parse(name: &str, described: &str) -> Self {
        let parts = described.split_once(": ").and_then(|(_, rest)| rest.strip_suffix(')')?.rsplit_once(" (default: "));
        let (expected, default) = parts.unwrap_or_else(|| panic!("{name}: {described}"));
        Self { name: name.to_owned(), expected: expected.to_owned(), default: default.to_owned() }
    }
}
