//! Reads settings from environment variables. It collects all faults and never prints a secret.
//!
//! A [`Variable`] describes one setting: its name, its purpose, the values it may have. An [`Env`] reads variables,
//! and knows all that were read and all that are wrong. So a service can print every fault at one start, and list its
//! variables in its help.
//!
//! White space at the ends of a value is ignored, because a file or a Secret often ends with a line break. A variable
//! of Warren's that is wrong, or set and empty, is a fault, and the service does not start. Platforms set the
//! variables of OpenTelemetry (`OTEL_…`) for everything that they run. One of these that cannot be used is a warning,
//! and an empty one counts as not set, as its specification says.

mod variable;
pub use variable::Variable;

mod env;
pub use env::Env;

mod value;
pub use value::{duration, whole};

mod authorities;
pub use authorities::authorities;

mod fault;
pub use fault::Fault;

mod secret;
pub use secret::Secret;
