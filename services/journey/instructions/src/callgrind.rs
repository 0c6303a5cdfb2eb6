//! Runs a path under callgrind, and holds what it takes to its bound.
//!
//! Counts do not depend on the machine's mood, as times do; they do on the compiler. A path is run twice, the second time
//! with twice the work: the difference is what the work costs, without start and set-up.

use std::env::current_exe;
use std::process::Command;

use crate::paths::Path;

/// How much work the first run does.
const WORK: usize = 640;
/// What a path may take beyond its count, in percent, before that is more than the compiler's doing.
const HEADROOM: usize = 10;
/// What callgrind says before the number.
const COLLECTED: &str = "Collected : ";

/// Whether a path stays within its bound.
pub(crate) fn measure(path: &Path) -> bool {
    let counted = (collected(path, 2 * WORK) - collected(path, WORK)) / WORK;
    let bound = path.count + path.count * HEADROOM / 100;
    let within = counted <= bound;
    println!("{counted:>12}{bound:>12}  {}{}", path.name, if within { "" } else { ": TOO MANY" });
    // A bound far above what it guards guards nothing.
    if counted + counted / 4 < path.count {
        println!("{:>24}  its count can come down to {counted}", "");
    }
    within
}

fn collected(path: &Path, work: usize) -> usize {
    let valgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let this = current_exe().expect("this program has a path");
    let run = Command::new("valgrind").args(valgrind).arg(this).arg(path.name).arg(work.to_string()).output();
    let run = run.expect("valgrind is missing: install it, on Debian with apt-get install valgrind");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}: {said}", path.name);
    let count = said.lines().find_map(|line| line.split_once(COLLECTED)?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind counted nothing: {said}"))
}
