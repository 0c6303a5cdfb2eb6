//! Runs order, email and analytics with a broker, and does what a customer does.

use std::{collections::BTreeMap, fmt::Debug, time::Instant};

use serde_json::{Value, json};

use crate::{Answer, Broker, Process, Request, eventually::PATIENCE};

/// The required queues of `order`, as every deployment sets them.
pub const REQUIRED_QUEUES: &str = "email-queue:order.placed,analytics-queue:order.placed+order.cancelled";

/// A broker and the three services.
#[derive(Debug)]
pub struct World {
    /// The broker they use.
    pub broker: Broker,
    /// Takes orders.
    pub order: Process,
    /// Sends emails; to the log, unless told otherwise.
    pub email: Process,
    /// Counts.
    pub analytics: Process,
}

/// The environment of each service, before they start.
#[derive(Debug, Clone)]
pub struct Plan {
    broker: Broker,
    variables: BTreeMap<(&'static str, &'static str), String>,
}

impl World {
    /// On the shared broker, in a vhost of its own; all are ready.
    pub async fn start() -> Self {
        Plan::on(&Broker::shared().await).start().await
    }

    /// Waits until all are ready.
    pub async fn ready(&mut self) {
        for process in [&mut self.order, &mut self.email, &mut self.analytics] {
            process.ready().await;
        }
    }

    /// `POST /orders` with this body.
    pub async fn post(&self, order: &Value) -> Answer {
        Request::post(self.order.http_port().await, "/orders", order).send().await
    }

    /// Places an order and returns its id.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn place(&self, order: &Value) -> String {
        let answer = self.post(order).await;
        assert_eq!(answer.status, 202, "{answer:?}\n{}", self.order.log());
        answer.json()["id"].as_str().expect("an accepted order has an id").to_owned()
    }

    /// Cancels an order.
    ///
    /// # Panics
    /// When that is not accepted.
    pub async fn cancel(&self, id: &str) {
        let path = format!("/orders/{id}/cancel");
        let answer = Request::new(self.order.http_port().await, "POST", &path).send().await;
        assert_eq!(answer.status, 202, "{answer:?}\n{}", self.order.log());
    }

    /// What the emails in the log say after `Sending email for: `.
    pub fn mails(&self) -> Vec<String> {
        self.email.logged("Sending email for: ")
    }

    /// How often an event of this type was counted.
    pub async fn counted(&self, event: &str) -> f64 {
        self.analytics.metric("analytics_orders_total", &[("event", event)]).await
    }

    /// Asks `observe` until `holds` is true of its answer.
    ///
    /// # Panics
    /// After a minute, with the last answer and everything the services logged.
    pub async fn eventually<T: Debug>(
        &self,
        what: &str,
        observe: impl AsyncFn(&Self) -> T,
        holds: impl Fn(&T) -> bool,
    ) -> T {
        let begun = Instant::now();
        loop {
            let seen = tokio::time::timeout(PATIENCE, observe(self)).await;
            let seen = seen.unwrap_or_else(|_| panic!("{what}: nobody could look within {PATIENCE:?}"));
            if holds(&seen) {
                return seen;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}; last seen: {seen:?}\n{}",
                self.logs()
            );
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    }

    fn logs(&self) -> String {
        let services = [("order", &self.order), ("email", &self.email), ("analytics", &self.analytics)];
        services.map(|(name, process)| format!("--- {name}\n{}", process.log())).concat()
    }
}

impl Plan {
    /// Three services around this broker: required queues set, no delay before draining.
    pub fn on(broker: &Broker) -> Self {
        let plan = Self { broker: broker.clone(), variables: BTreeMap::new() };
        plan.order("REQUIRED_QUEUES", REQUIRED_QUEUES).order("DRAIN_DELAY", "0s")
    }

    /// Sets a variable of order.
    pub fn order(self, name: &'static str, value: impl Into<String>) -> Self {
        self.set("order", name, value)
    }

    /// Sets a variable of email.
    pub fn email(self, name: &'static str, value: impl Into<String>) -> Self {
        self.set("email", name, value)
    }

    /// Sets a variable of analytics.
    pub fn analytics(self, name: &'static str, value: impl Into<String>) -> Self {
        self.set("analytics", name, value)
    }

    /// Sets a variable of the service of this name.
    pub fn set(mut self, service: &'static str, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert((service, name), value.into());
        self
    }

    /// Starts one of the services, and waits for nothing.
    pub fn launch(&self, service: &str) -> Process {
        let own = self.variables.iter().filter(|((owner, _), _)| *owner == service);
        let own = own.map(|((_, name), value)| (*name, value.clone()));
        Process::start(service, [("AMQP_URL", self.broker.url_as(service))].into_iter().chain(own))
    }

    /// Starts all three, and waits for nothing.
    pub fn launch_all(&self) -> World {
        let [order, email, analytics] = ["order", "email", "analytics"].map(|service| self.launch(service));
        World { broker: self.broker.clone(), order, email, analytics }
    }

    /// Starts all three and waits until they are ready.
    pub async fn start(&self) -> World {
        let mut world = self.launch_all();
        world.ready().await;
        world
    }
}

/// An order of two packets of tea for 9.00 EUR.
pub fn an_order() -> Value {
    json!({
        "customer": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "currency": "EUR",
        "items": [{"sku": "TEA-1", "name": "Earl Grey", "quantity": 2, "unit_price": 450}],
    })
}
