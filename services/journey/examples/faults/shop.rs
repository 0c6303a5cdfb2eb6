//! Everything that an act needs: broker, wires, services, mail server and customers.

use std::sync::Arc;

use journey::{Broker, Cluster, Options, Plan, Proxy, REQUIRED_QUEUES, SmtpOptions, SmtpServer, free_port};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::clock::Clock;
use crate::customers::Customers;
use crate::fault::Stage;
use crate::ledger::Ledger;
use crate::parcels::{self, Parcels};
use crate::ruin::{PACKING_QUEUE, PARCEL_QUEUE, PARCELS, Ruin};
use crate::service::Service;
use crate::stranger::Stranger;

/// The delays before further attempts. They are short, so that the end of an act comes soon.
const RETRY_DELAYS: &str = "500ms,1s,2s,4s";
/// How long the mail server may be silent. It is short for the same reason, and longer than a slow greeting takes.
const SILENCE: &str = "8s";
/// How many handled events a consumer remembers. It remembers as many in the first minute of the long run already, so that
/// its memory does not grow later.
pub(crate) const REMEMBERED: usize = 20_000;

/// The size of the disk that is filled, in bytes: far more than the broker needs.
const DISK: u64 = 256 << 20;

/// Everything that can break.
pub(crate) struct Shop {
    /// The broker's nodes: one, or three joined.
    pub(crate) nodes: Vec<Broker>,
    _cluster: Option<Cluster>,
    pub(crate) wires: Wires,
    pub(crate) smtp: SmtpServer,
    pub(crate) order: Service,
    pub(crate) email: Service,
    pub(crate) analytics: Service,
    /// Hears orders, and publishes a request for a parcel for each.
    pub(crate) packing: Service,
    pub(crate) customers: Customers,
    pub(crate) ledger: Arc<Ledger>,
    /// The requests for parcels that were heard so far.
    pub(crate) parcels: Parcels,
    /// The damage of faults that destroy events by their nature.
    pub(crate) ruins: Vec<Ruin>,
    pub(crate) stranger: Stranger,
    pub(crate) dice: StdRng,
}

/// The proxies between the processes.
pub(crate) struct Wires {
    pub(crate) order: Proxy,
    pub(crate) email: Proxy,
    pub(crate) analytics: Proxy,
    pub(crate) packing: Proxy,
    pub(crate) smtp: Proxy,
}

impl Shop {
    /// Starts everything, and waits until it is ready.
    pub(crate) async fn open(stage: Stage, seed: u64) -> Self {
        let (nodes, cluster) = match stage {
            Stage::OneNode | Stage::Clocks => (vec![Broker::start().await], None),
            Stage::SmallDisk => (vec![Broker::with(Options::new().disk(DISK)).await], None),
            Stage::ThreeNodes => {
                let cluster = Cluster::start().await;
                (cluster.nodes.to_vec(), Some(cluster))
            }
        };
        let smtp = SmtpServer::start(SmtpOptions::new().brief());
        let wires = Wires::lay(&nodes, smtp.port()).await;
        let port = free_port();
        let plan = plan(&nodes[0], &wires, port);
        parcels::admit(&nodes[0]).await;
        let [order, email, analytics, packing] = ["order", "email", "analytics", "packing"].map(|name| {
            let clock = (stage == Stage::Clocks).then(Clock::right);
            Service::launch(name, plan.clone(), clock)
        });
        let ledger = Arc::<Ledger>::default();
        let customers = Customers::at(port, seed, &ledger);
        let dice = StdRng::seed_from_u64(seed);
        let mut shop = Self {
            nodes,
            _cluster: cluster,
            wires,
            smtp,
            order,
            email,
            analytics,
            packing,
            customers,
            ledger,
            parcels: Parcels::default(),
            ruins: Vec::new(),
            stranger: Stranger::default(),
            dice,
        };
        shop.well().await;
        if stage == Stage::Clocks {
            for service in shop.services_mut() {
                Clock::unname_shared(service.process().id());
            }
        }
        shop
    }

    /// Waits until every service is ready.
    pub(crate) async fn well(&mut self) {
        for service in self.services_mut() {
            service.ready().await;
        }
    }

    /// All services.
    pub(crate) fn services(&self) -> [&Service; 4] {
        [&self.order, &self.email, &self.analytics, &self.packing]
    }

    /// All services, to break them.
    pub(crate) fn services_mut(&mut self) -> [&mut Service; 4] {
        [&mut self.order, &mut self.email, &mut self.analytics, &mut self.packing]
    }

    /// Reads the requests for parcels that wait. No fault may last meanwhile.
    pub(crate) async fn hear_parcels(&mut self) {
        self.parcels.hear(&self.nodes[0]).await;
    }

    /// The node, or the first of three.
    pub(crate) fn broker(&self) -> &Broker {
        &self.nodes[0]
    }

    /// Waits until no service has a connection to the broker.
    pub(crate) async fn all_disconnected(&self) {
        for service in self.services() {
            service.disconnected().await;
        }
    }
}

impl Wires {
    async fn lay(nodes: &[Broker], smtp: u16) -> Self {
        let ports: Vec<_> = nodes.iter().map(Broker::port).collect();
        Self {
            order: Proxy::among(&ports).await,
            email: Proxy::among(&ports).await,
            analytics: Proxy::among(&ports).await,
            packing: Proxy::among(&ports).await,
            smtp: Proxy::to(smtp).await,
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> [&Proxy; 5] {
        [&self.order, &self.email, &self.analytics, &self.packing, &self.smtp]
    }
}

fn plan(broker: &Broker, wires: &Wires, port: u16) -> Plan {
    let url = |user, wire: &Proxy| broker.through(wire).url_as(user);
    Plan::on(broker)
        .order("AMQP_URL", url("order", &wires.order))
        .order("HTTP_ADDR", format!("127.0.0.1:{port}"))
        .order("REQUIRED_QUEUES", format!("{REQUIRED_QUEUES},{PACKING_QUEUE}:order.placed"))
        .email("AMQP_URL", url("email", &wires.email))
        .email("SMTP_URL", format!("smtp://127.0.0.1:{}", wires.smtp.port()))
        .email("RETRY_DELAYS", RETRY_DELAYS)
        .email("SMTP_CONNECT_TIMEOUT", SILENCE)
        .email("SMTP_COMMAND_TIMEOUT", SILENCE)
        .email("SMTP_DATA_TIMEOUT", SILENCE)
        .email("SMTP_FINAL_TIMEOUT", SILENCE)
        .email("DEDUPE_CAPACITY", REMEMBERED.to_string())
        .email("LOG_LEVEL", "info,messaging=debug")
        .analytics("AMQP_URL", url("analytics", &wires.analytics))
        .analytics("RETRY_DELAYS", RETRY_DELAYS)
        .analytics("DEDUPE_CAPACITY", REMEMBERED.to_string())
        .analytics("LOG_LEVEL", "info,analytics=debug,messaging=debug")
        .set("packing", "AMQP_URL", url("packing", &wires.packing))
        .set("packing", "REQUIRED_QUEUES", format!("{PARCEL_QUEUE}:{PARCELS}"))
        .set("packing", "RETRY_DELAYS", RETRY_DELAYS)
        .set("packing", "DEDUPE_CAPACITY", REMEMBERED.to_string())
        .set("packing", "LOG_LEVEL", "info,packing=debug")
}
