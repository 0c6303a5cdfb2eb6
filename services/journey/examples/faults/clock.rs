//! A service's wall clock, which can be moved while the service runs; its monotonic clock goes on, as with a real one.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use journey::Folder;

/// How far it is moved. A stage of clocks is played in less time, so a line's time says whether it was moved.
const HOUR: Duration = Duration::from_secs(3600);

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jump {
    /// An hour ahead.
    Forward,
    /// An hour behind.
    Back,
}

/// The clock of one service, by libfaketime.
pub(crate) struct Clock {
    folder: Folder,
    jumps: Vec<(Jump, SystemTime, SystemTime)>,
}

impl Clock {
    /// libfaketime, if it is installed.
    pub(crate) fn library() -> Option<&'static PathBuf> {
        static LIBRARY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
            let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
            folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|library| library.exists())
        });
        LIBRARY.as_ref()
    }

    /// A clock that is right.
    pub(crate) fn right() -> Self {
        let clock = Self { folder: Folder::fresh(), jumps: Vec::new() };
        clock.set("+0");
        clock
    }

    /// What a process has to be started with to follow this clock.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", Self::library().expect("it was asked for").display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Removes the names of what libfaketime lets processes share, once that process has it; nobody else would.
    pub(crate) fn unname_shared(process: u32) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{name}{process}"));
        }
    }

    /// Moves it.
    pub(crate) fn jump(&mut self, jump: Jump) {
        let now = SystemTime::now();
        // Until it is put right: nobody knows when.
        self.jumps.push((jump, now, now + HOUR / 2));
        self.set(match jump {
            Jump::Forward => "+3600",
            Jump::Back => "-3600",
        });
    }

    /// Puts it right.
    pub(crate) fn put_right(&mut self) {
        self.set("+0");
        if let Some((_, _, until)) = self.jumps.last_mut() {
            *until = SystemTime::now();
        }
    }

    /// When it showed this time.
    pub(crate) fn showed(&self, time: SystemTime) -> SystemTime {
        let true_times = self.jumps.iter().map(|(jump, from, until)| {
            let then = match jump {
                Jump::Forward => time - HOUR,
                Jump::Back => time + HOUR,
            };
            (*from <= then && then <= *until).then_some(then)
        });
        true_times.flatten().next().unwrap_or(time)
    }

    /// At once, because it is read all the time.
    fn set(&self, offset: &str) {
        let new = self.folder.file("new", offset);
        fs::rename(new, self.file()).expect("a file can be renamed");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
