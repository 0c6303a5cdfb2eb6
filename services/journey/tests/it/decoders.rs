//! Every decoder that outside bytes reach, on the seeds that `make fuzz` begins with: what fuzzing found is among them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a crate as well, of which libFuzzer knows the functions")]
mod fuzz;

type Decoder = (&'static str, fn(&[u8]));

const DECODERS: [Decoder; 8] = [
    ("answers", fuzz::answers),
    ("cancel_body", fuzz::cancel_body),
    ("event", fuzz::event),
    ("frames", fuzz::frames),
    ("idempotency_key", fuzz::idempotency_key),
    ("letter", fuzz::letter),
    ("order_body", fuzz::order_body),
    ("settings", fuzz::settings),
];

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.map(|name| name.trim_end_matches(".rs").to_owned()).collect()
}

#[test]
fn what_fuzzing_found_is_found_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let known = BTreeSet::from(DECODERS.map(|(name, _)| name.to_owned()));
    assert_eq!((names(&folder.join("seeds")), names(&folder.join("targets"))), (known.clone(), known));
    for (name, decode) in DECODERS {
        let seeds = folder.join("seeds").join(name);
        for seed in names(&seeds) {
            // A panic is told under this line.
            println!("{name}: {seed}");
            decode(&fs::read(seeds.join(seed)).unwrap());
        }
    }
}
