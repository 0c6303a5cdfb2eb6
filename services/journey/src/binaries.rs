//! Finds the services' binaries, built from the same sources as the test that runs them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

static FOLDER: LazyLock<PathBuf> = LazyLock::new(build);

/// The path of a service's binary, which is up to date. It blocks if `built` was not awaited before.
pub fn binary(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// Waits until the binaries are up to date. A test that waited by blocking would starve its own connections.
pub(crate) async fn built() {
    tokio::task::spawn_blocking(|| LazyLock::force(&FOLDER)).await.expect("the services can be built");
}

// A test lies in TARGET/PROFILE/deps; the binaries of the same profile belong in TARGET/PROFILE.
#[allow(clippy::disallowed_methods, reason = "the stage is no service: it has no Config")]
fn build() -> PathBuf {
    if let Some(folder) = env::var_os("BINARIES") {
        return folder.into();
    }
    let test = env::current_exe().expect("a process knows its program");
    let folder =
        test.ancestors().find(|folder| folder.join("deps").is_dir()).expect("cargo built the test").to_path_buf();
    let target = folder.parent().expect("a profile is in a target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--bins", "--profile", profile, "--target-dir"]).arg(target);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the services could not be built");
    folder
}
