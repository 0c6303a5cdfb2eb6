//! Temporary folders. They are deleted with their test, or with the test process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use tempfile::TempDir;

/// A new empty folder, deleted on drop.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Makes the folder.
    pub fn fresh() -> Self {
        Self(tempfile::Builder::new().tempdir_in(&Root::of_this_process().path).expect("a folder can be made"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it and returns the file's path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path
    }
}

/// The parent of all folders of this process.
struct Root {
    path: PathBuf,
    // Holds the other end of the shell's input.
    _shell: Child,
}

impl Root {
    fn of_this_process() -> &'static Self {
        static ROOT: LazyLock<Root> = LazyLock::new(Root::make);
        &ROOT
    }

    // Statics are never dropped, and a killed process drops nothing: a shell that reads from us learns of our end by the
    // end of its input. The second try is for what a dying broker wrote during the first.
    fn make() -> Self {
        let path = tempfile::Builder::new().prefix("warren-journey.").tempdir().expect("a folder can be made").keep();
        let shell = Command::new("sh")
            .args(["-c", "trap '' INT TERM HUP; read -r _; rm -rf \"$1\" || { sleep 1; rm -rf \"$1\"; }", "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        Self { path, _shell: shell }
    }
}
