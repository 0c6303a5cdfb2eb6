//! Measures every ten seconds what each service holds, and writes it to a CSV file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use journey::Request;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often it measures.
const EVERY: Duration = Duration::from_secs(10);
/// The name of the time in which nothing is broken.
pub(crate) const CALM: &str = "calm";

/// One measurement of one service.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at: SystemTime,
    pub(crate) service: &'static str,
    pub(crate) process: u32,
    pub(crate) rss_kib: u64,
    pub(crate) fds: u64,
    pub(crate) threads: u64,
    /// Connections to the broker, as the broker says; nothing while it does not answer.
    pub(crate) connections: Option<u64>,
    pub(crate) channels: Option<u64>,
    pub(crate) log_lines: u64,
}

/// A task that measures until this value is dropped.
pub(crate) struct Sampler {
    samples: Arc<Mutex<Vec<Sample>>>,
    fault: Arc<Mutex<&'static str>>,
    task: JoinHandle<()>,
}

/// A service that is measured.
pub(crate) struct Watched {
    pub(crate) name: &'static str,
    /// The id of its process; 0 while it has none.
    pub(crate) process: Arc<AtomicU32>,
}

/// How far the lines of each log are counted: the process, the position in its log, and the lines of all its lives.
#[derive(Default)]
struct Counted(BTreeMap<&'static str, (u32, u64, u64)>);

impl Sampler {
    /// Begins to measure. The file gets a line for each measurement of a service.
    pub(crate) fn start(watched: Vec<Watched>, management: u16, file: &PathBuf) -> Self {
        let samples = Arc::<Mutex<Vec<Sample>>>::default();
        let fault = Arc::new(Mutex::new(CALM));
        let mut csv = File::create(file).expect("a file can be made");
        writeln!(csv, "time,service,process,rss_kib,fds,threads,connections,channels,log_lines,fault")
            .expect("it can be written");
        let task = tokio::spawn({
            let (samples, fault) = (samples.clone(), fault.clone());
            async move {
                let (mut ticks, mut counted) = (interval(EVERY), Counted::default());
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    let told = connections(management).await;
                    for service in &watched {
                        let Some(sample) = look(service, &told, &mut counted) else { continue };
                        let fault = *fault.lock().unwrap_or_else(PoisonError::into_inner);
                        writeln!(csv, "{}", line(&sample, fault)).expect("it can be written");
                        samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                    }
                }
            }
        });
        Self { samples, fault, task }
    }

    /// Notes what is broken from now on.
    pub(crate) fn mark(&self, fault: &'static str) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// All measurements so far.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Measures one service; nothing if its process is gone, or ends meanwhile.
fn look(service: &Watched, told: &BTreeMap<String, (u64, u64)>, counted: &mut Counted) -> Option<Sample> {
    let id = service.process.load(Ordering::Relaxed);
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().trim_end_matches("kB").trim().parse().ok()
    };
    let (connections, channels) = told.get(service.name).copied().unzip();
    Some(Sample {
        at: SystemTime::now(),
        service: service.name,
        process: id,
        rss_kib: number("VmRSS:")?,
        fds: fs::read_dir(format!("/proc/{id}/fd")).ok()?.count() as u64,
        threads: number("Threads:")?,
        connections,
        channels,
        log_lines: counted.lines(service.name, id).ok()?,
    })
}

impl Counted {
    /// Counts the new lines, because the log is too long to be read as a whole each time.
    fn lines(&mut self, service: &'static str, id: u32) -> io::Result<u64> {
        let (process, place, lines) = self.0.entry(service).or_default();
        if *process != id {
            (*process, *place) = (id, 0);
        }
        let mut log = BufReader::new(File::open(format!("/proc/{id}/fd/1"))?);
        log.seek(SeekFrom::Start(*place))?;
        loop {
            let piece = log.fill_buf()?;
            if piece.is_empty() {
                return Ok(*lines);
            }
            *lines += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
            let length = piece.len();
            *place += length as u64;
            log.consume(length);
        }
    }
}

/// How many connections and channels each user has.
async fn connections(management: u16) -> BTreeMap<String, (u64, u64)> {
    // guest:guest
    let request = Request::get(management, "/api/connections").header("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
    let answer = tokio::time::timeout(EVERY / 2, request.try_send()).await;
    let Ok(Ok(answer)) = answer else { return BTreeMap::new() };
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut found = BTreeMap::<_, (u64, u64)>::new();
    for connection in told.as_array().into_iter().flatten() {
        let (connections, channels) =
            found.entry(connection["user"].as_str().unwrap_or_default().to_owned()).or_default();
        *connections += 1;
        *channels += connection["channels"].as_u64().unwrap_or_default();
    }
    found
}

fn line(sample: &Sample, fault: &str) -> String {
    let Sample { at, service, process, rss_kib, fds, threads, connections, channels, log_lines } = sample;
    let told = |number: &Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let (at, connections, channels) = (humantime::format_rfc3339_seconds(*at), told(connections), told(channels));
    format!("{at},{service},{process},{rss_kib},{fds},{threads},{connections},{channels},{log_lines},{fault}")
}
