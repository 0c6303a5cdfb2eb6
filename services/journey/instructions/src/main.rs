//! Counts the instructions of each hot path under callgrind, and fails where one takes more than its bound.
#![forbid(unsafe_code)]

mod callgrind;
mod paths;

use std::env::args;
use std::process::ExitCode;

use paths::PATHS;

fn main() -> ExitCode {
    let mut arguments = args().skip(1);
    if let (Some(name), Some(work)) = (arguments.next(), arguments.next()) {
        let path = PATHS.iter().find(|path| path.name == name).expect("the measuring process names a path");
        (path.run)(work.parse().expect("the measuring process gives a number"));
        return ExitCode::SUCCESS;
    }
    println!("{:>12}{:>12}  instructions of", "counted", "bound");
    let within: Vec<_> = PATHS.iter().map(callgrind::measure).collect();
    if within.contains(&false) {
        println!(
            "Where the cost is worth it, or a new compiler's: write the new count and its reason into instructions/src/paths.rs"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
