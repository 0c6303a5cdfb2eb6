//! Waits until no event is under way any more.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ruin::PARCEL_QUEUE;
use crate::shop::Shop;

/// How often in a row everything has to be at rest.
const LOOKS: usize = 5;
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(300);
/// How long nothing may move before it counts as a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// What changes as long as events are under way.
#[derive(Debug, Default, PartialEq)]
struct Motion {
    waiting: u32,
    in_flight: Option<u32>,
    mails: usize,
}

impl Shop {
    /// Waits until the queues are empty and no service holds an event. If nothing changes for [`PATIENCE`] before that, it
    /// notes so in the ledger.
    pub(crate) async fn rest(&self) {
        let (mut last, mut moved, mut looks) = (Motion::default(), Instant::now(), 0);
        while looks < LOOKS {
            let motion = self.motion().await;
            if motion != last {
                moved = Instant::now();
            }
            looks = if motion.waiting == 0 && motion.in_flight == Some(0) && motion == last { looks + 1 } else { 0 };
            // A delivery on its way is neither ready in a queue nor held by a service. The broker knows of it, and takes long to
            // say so; therefore it is asked last.
            if looks == LOOKS && self.unsettled().await > 0 {
                looks = 0;
            }
            if moved.elapsed() > PATIENCE && looks == 0 {
                let odd = format!("nothing changes for {PATIENCE:?}, and events are still under way: {motion:?}");
                println!("{odd}");
                self.ledger.odd(odd);
                return;
            }
            last = motion;
            sleep(PAUSE).await;
        }
    }

    async fn motion(&self) -> Motion {
        let mut waiting = 0;
        for queue in self.queues().await.iter().filter(|queue| is_consumed(queue)) {
            waiting += self.broker().depth(queue).await.unwrap_or_default();
        }
        let mut in_flight = Some(0);
        for service in self.services() {
            let metrics = service.metrics().await;
            let held = metrics.map(|metrics| metrics.sum("messaging_in_flight", &[]) as u32);
            in_flight = in_flight.zip(held).map(|(all, held)| all + held);
        }
        Motion { waiting, in_flight, mails: self.smtp.look(<[_]>::len) }
    }

    /// How many messages the queues of consumers hold, delivered or not.
    async fn unsettled(&self) -> u64 {
        let listed = self.broker().rabbitmqctl(&["list_queues", "name", "messages"]).await;
        let lines = listed.lines().filter_map(|line| line.split_once('\t'));
        let alive = lines.filter(|(name, _)| name.contains("-queue") && is_consumed(name));
        alive.map(|(_, count)| count.trim().parse::<u64>().unwrap_or(1)).sum()
    }

    /// The names of all queues.
    pub(crate) async fn queues(&self) -> Vec<String> {
        let queues = self.broker().management("queues/%2f?disable_stats=true&enable_queue_totals=true").await;
        let names = queues.as_array().into_iter().flatten().filter_map(|queue| queue["name"].as_str());
        names.map(str::to_owned).collect()
    }
}

/// Whether a service empties the queue. Dead letters and requests for parcels stay until the books read them.
fn is_consumed(queue: &str) -> bool {
    !queue.ends_with(".dead") && queue != PARCEL_QUEUE
}
