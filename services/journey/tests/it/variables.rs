//! The variables of a service, as its `--help` lists them.

use journey::Process;

/// All binaries that a user starts.
pub(crate) const SERVICES: [&str; 4] = ["order", "email", "analytics", "redrive"];

/// One variable of a service.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) expected: String,
    /// `none` where there is none.
    pub(crate) default: String,
}

/// The variables that this service reads.
pub(crate) async fn of(service: &str) -> Vec<Variable> {
    let variables = listed(service, &["--help"]).await;
    assert!(variables.len() > 20, "{variables:?}");
    variables
}

/// The variables of `order check`.
pub(crate) async fn of_check() -> Vec<Variable> {
    listed("order", &["check", "--help"]).await
}

async fn listed(service: &str, arguments: &[&str]) -> Vec<Variable> {
    let mut help = Process::start_with(service, arguments, []);
    assert_eq!(help.exit_code().await, 0, "{}", help.log());
    let help = help.log();
    let (_, environment) = help.split_once("\nEnvironment:\n").expect("the help has a list of variables");
    let lines: Vec<_> = environment.lines().map(str::trim).collect();
    lines.chunks(2).map(|pair| Variable::parse(pair[0], pair[1])).collect()
}

impl Variable {
    /// Reads `MEANING: EXPECTED (default: DEFAULT)`.
    fn parse(name: &str, described: &str) -> Self {
        let parse = || {
            let (meaning, rest) = described.split_once(": ")?;
            let (expected, default) = rest.strip_suffix(')')?.rsplit_once(" (default: ")?;
            Some([name, meaning, expected, default].map(str::to_owned))
        };
        let [name, meaning, expected, default] = parse().unwrap_or_else(|| panic!("{name}: {described}"));
        Self { name, meaning, expected, default }
    }
}
