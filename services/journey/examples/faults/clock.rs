//! A service's wall clock, which can be moved while the service runs. The monotonic clock goes on, as it does on a real
//! machine.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use journey::Folder;

/// How far a clock is moved. An act takes less time, so the time of a line tells whether the clock was moved.
const HOUR: Duration = Duration::from_secs(3600);

/// The direction in which a clock is moved.
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
    /// The path of libfaketime, if it is installed.
    pub(crate) fn library() -> Option<&'static PathBuf> {
        static LIBRARY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
            let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
            folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|library| library.exists())
        });
        LIBRARY.as_ref()
    }

    /// A clock that shows the true time.
    pub(crate) fn right() -> Self {
        let clock = Self { folder: Folder::fresh(), jumps: Vec::new() };
        clock.set("+0");
        clock
    }

    /// The variables with which a process follows this clock.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", Self::library().expect("it was asked for").display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Removes the names of the memory and the semaphore that libfaketime shares among processes. That process has opened
    /// them, and libfaketime never removes them.
    pub(crate) fn unname_shared(process: u32) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{name}{process}"));
        }
    }

    /// Moves the clock.
    pub(crate) fn jump(&mut self, jump: Jump) {
        let now = SystemTime::now();
        // The end is set when the clock is put right.
        self.jumps.push((jump, now, now + HOUR / 2));
        self.set(match jump {
            Jump::Forward => "+3600",
            Jump::Back => "-3600",
        });
    }

    /// Puts the clock right.
    pub(crate) fn put_right(&mut self) {
        self.set("+0");
        if let Some((_, _, until)) = self.jumps.last_mut() {
            *until = SystemTime::now();
        }
    }

    /// The true time at which the clock showed this time.
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

    /// Replaces the file in one step, because it is read all the time.
    fn set(&self, offset: &str) {
        let new = self.folder.file("new", offset);
        fs::rename(new, self.file()).expect("a file can be renamed");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
