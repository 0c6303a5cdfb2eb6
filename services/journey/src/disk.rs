//! Makes file systems that are small enough to fill up.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::statvfs::statvfs,
};

use crate::Folder;

/// The file that fills the disk.
const BALLAST: &str = "ballast";

static MOUNTS: OnceLock<Result<(), String>> = OnceLock::new();

/// A file system in memory. Only this process and its children see it, and it ends with this value.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// Gives this thread, and all that it starts, mounts of their own. Call it before there are other threads, and
    /// before any [`Disk`].
    ///
    /// # Errors
    /// The process may not mount: that takes root, or `CAP_SYS_ADMIN`.
    pub fn allow() -> Result<(), String> {
        MOUNTS.get_or_init(|| own_mounts().map_err(|error| error.to_string())).clone()
    }

    /// Whether this process may mount one.
    ///
    /// # Errors
    /// What forbids it.
    pub fn allowed() -> Result<(), String> {
        MOUNTS.get().cloned().unwrap_or_else(|| Err("nobody has asked for mounts of their own".to_owned()))
    }

    /// Makes this folder, and mounts so many bytes there.
    pub(crate) fn mounted(folder: PathBuf, bytes: u64) -> Self {
        Self::allowed().expect("whoever wants a disk has called Disk::allow");
        fs::create_dir(&folder).expect("a folder can be made");
        mount_memory(&folder, bytes).expect("it was possible before");
        Self(folder)
    }

    /// Takes all the room there is, but for so many bytes.
    pub(crate) fn fill(&self, leave: u64) {
        let room = statvfs(&self.0).expect("it is mounted");
        let room = room.blocks_available() * room.fragment_size();
        let mut ballast = File::create(self.ballast()).expect("a name takes no room");
        io::copy(&mut io::repeat(0).take(room.saturating_sub(leave)), &mut ballast).expect("there was so much room");
    }

    /// Gives back what [`Disk::fill`] took.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("it was filled before");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join(BALLAST)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that is about to end may still use it.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn own_mounts() -> nix::Result<()> {
    // Made before, so that whoever clears up in the end sees no mounts of ours.
    let folder = Folder::fresh();
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount_memory(folder.path(), 1 << 20)?;
    umount2(folder.path(), MntFlags::MNT_DETACH)
}

fn mount_memory(folder: &Path, bytes: u64) -> nix::Result<()> {
    let options = format!("size={bytes}");
    mount(Some("warren-journey"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
}
