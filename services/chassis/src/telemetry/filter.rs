//! Decides what is logged and what becomes a span.

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The libraries that stay silent because Warren's own lines say it better. `messaging` logs each lost connection
/// once, with its reason, where lapin writes many lines. hyper and rustls report every client that goes away, and
/// lettre the mail itself.
const QUIET: &str =
    "lapin=off,hyper=warn,hyper_util=warn,rustls=warn,lettre=warn,opentelemetry=warn,tokio=warn,mio=warn";

/// Whether a text is a level, or directives each with a level. `Targets` alone takes `verbose` and `info;a=debug` for
/// names of modules, and then logs nothing.
pub(super) fn is_valid(text: &str) -> bool {
    let each = |piece: &str| match piece.split_once('=') {
        Some((name, _)) => !name.is_empty() && !name.contains([';', ' ']),
        None => !piece.is_empty() && piece.parse::<LevelFilter>().is_ok(),
    };
    text.split(',').map(str::trim).all(each) && directives(text).is_some()
}

/// The filter of log lines: libraries are quiet unless the level names them.
pub(super) fn of_log(level: &str) -> Targets {
    directives(&format!("{QUIET},{level}")).unwrap_or_else(of_spans)
}

fn directives(text: &str) -> Option<Targets> {
    let pieces: Vec<_> = text.split(',').map(str::trim).collect();
    pieces.join(",").parse().ok()
}

/// The filter of spans: Warren's own, whatever is logged.
pub(super) fn of_spans() -> Targets {
    let libraries = QUIET.split(',').filter_map(|directive| directive.split_once('='));
    Targets::new().with_default(Level::INFO).with_targets(libraries.map(|(library, _)| (library, LevelFilter::OFF)))
}
