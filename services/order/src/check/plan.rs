//! Reads from the environment what to check.

use std::time::Duration;

use bytes::Bytes;
use chassis::{Env, Variable};
use contract::Email;
use hyper::Uri;
use serde_json::json;
use uuid::Uuid;

use super::counter::Counter;

/// An order to place, and what the services have to do with it.
#[derive(Debug)]
pub(super) struct Plan {
    /// The URL to place it at.
    pub(super) order: Uri,
    /// The customer's address.
    customer: Email,
    /// Whether an order is placed, and so mailed; else one that nobody placed is cancelled.
    pub(super) mails: bool,
    pub(super) checks: [Check; 3],
    /// The time for the whole check.
    pub(super) timeout: Duration,
}

/// Something that a service does with every order, and the counter that shows it.
#[derive(Debug)]
pub(super) struct Check {
    /// What is done, as in "the order was …".
    pub(super) label: &'static str,
    pub(super) counter: Counter,
    /// The hosts and ports whose `/metrics` show it. A name stands for all its addresses.
    pub(super) metrics: Option<Vec<String>>,
    /// The variable that names them.
    pub(super) variable: &'static str,
}

const URL: Variable = Variable::new("CHECK_ORDER_URL", "where the order is placed").or("http://127.0.0.1:8080/orders");
const CUSTOMER: Variable =
    Variable::new("CHECK_EMAIL", "the address of the customer, who is sent a mail").or("check@example.com");
const MAILS: Variable = Variable::new(
    "CHECK_MAILS",
    "whether an order is placed, which is mailed; else one that nobody placed is cancelled, which nobody is told",
)
.or("true");
const TIMEOUT: Variable = Variable::new("CHECK_TIMEOUT", "how long the whole check may take").or("1m");
const PUBLISHED: Variable = metrics("CHECK_ORDER_METRICS", "where order counts what it published");
const EMAILED: Variable = metrics("CHECK_EMAIL_METRICS", "where email counts what it sent");
const COUNTED: Variable = metrics("CHECK_ANALYTICS_METRICS", "where analytics counts orders");

const fn metrics(name: &'static str, meaning: &'static str) -> Variable {
    Variable::new(name, meaning).otherwise("none, it is not checked")
}

impl Plan {
    /// Reads it, and notes every fault in `env`.
    pub(super) fn from_env(env: &mut Env) -> Self {
        let order = env.read(URL.expecting("http://HOST[:PORT]/orders"), url);
        let customer = env.read(CUSTOMER.expecting("an email address"), |text| Email::parse(text).ok());
        let mails = env.flag(MAILS);
        let mut check = |variable: Variable, label, counter| {
            let name = variable.name;
            let metrics = env.read(variable.expecting("HOST:PORT, or several with commas between"), addresses);
            Check { label, counter, metrics, variable: name }
        };
        let checks = [
            check(PUBLISHED, "published", if mails { Counter::PUBLISHED } else { Counter::CANCEL_PUBLISHED }),
            check(EMAILED, "emailed", Counter::EMAILED),
            check(COUNTED, "counted", if mails { Counter::COUNTED } else { Counter::CANCEL_COUNTED }),
        ];
        if !mails && checks[1].metrics.is_some() {
            env.fault("CHECK_EMAIL_METRICS", "nothing with CHECK_MAILS=false, as nobody is mailed");
        }
        Self {
            order: order.expect("the default is a URL"),
            customer: customer.expect("the default is an address"),
            mails,
            checks,
            timeout: env.duration(TIMEOUT, Duration::from_secs(1)..=Duration::from_secs(60 * 60)),
        }
    }

    /// The URL to ask: that of the orders, or that which cancels an order that nobody placed.
    pub(super) fn url(&self, id: Uuid) -> Uri {
        if self.mails {
            return self.order.clone();
        }
        format!("{}/{id}/cancel", self.order).parse().expect("a URL with more of a path is one")
    }

    /// An order that costs nothing, because a check is no revenue; or the reason of a cancel.
    pub(super) fn body(&self) -> Bytes {
        if !self.mails {
            return json!({"reason": "order check"}).to_string().into();
        }
        let item = json!({"sku": "CHECK", "name": "order check", "quantity": 1, "unit_price": 0});
        let customer = json!({"name": "order check", "email": self.customer.as_str()});
        json!({"customer": customer, "items": [item]}).to_string().into()
    }
}

fn url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    (url.scheme_str() == Some("http") && url.host().is_some() && url.path() == "/orders").then_some(url)
}

fn addresses(text: &str) -> Option<Vec<String>> {
    text.split(',').map(str::trim).map(|address| is_address(address).then(|| address.to_owned())).collect()
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use contract::NewOrder;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Plan, usize) {
        let mut env = Env::from_map(variables.iter().copied());
        let plan = Plan::from_env(&mut env);
        (plan, env.faults().len())
    }

    #[test]
    fn the_order_of_a_check_is_an_order_and_no_revenue() {
        let (plan, faults) = read(&[("CHECK_EMAIL", "ops@example.com")]);
        let order = NewOrder::parse(&plan.body()).unwrap();
        assert_eq!((faults, order.total().minor_units()), (0, 0));
        assert_eq!(order.customer().email().as_str(), "ops@example.com");
    }

    #[test]
    fn what_is_not_named_is_not_checked() {
        let (plan, faults) = read(&[("CHECK_EMAIL_METRICS", "email-0:9090, [::1]:9090")]);
        let named: Vec<_> = plan.checks.iter().map(|check| check.metrics.is_some()).collect();
        assert_eq!((faults, named), (0, vec![false, true, false]));
        assert_eq!(plan.checks[1].metrics.as_deref(), Some(&["email-0:9090".to_owned(), "[::1]:9090".to_owned()][..]));
    }

    #[test]
    fn without_mails_an_order_that_nobody_placed_is_cancelled() {
        let (plan, faults) = read(&[("CHECK_MAILS", "false"), ("CHECK_ORDER_METRICS", "order:9090")]);
        assert_eq!(faults, 0);
        let id = Uuid::nil();
        assert_eq!(plan.url(id), *format!("http://127.0.0.1:8080/orders/{id}/cancel"));
        assert_eq!(plan.body(), r#"{"reason":"order check"}"#);
        assert_eq!(read(&[("CHECK_MAILS", "false"), ("CHECK_EMAIL_METRICS", "email:9090")]).1, 1);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let wrong = [
            ("CHECK_ORDER_URL", "https://orders/orders"),
            ("CHECK_EMAIL", "ops"),
            ("CHECK_TIMEOUT", "0s"),
            ("CHECK_ORDER_METRICS", "http://order:9090"),
            ("CHECK_EMAIL_METRICS", "email"),
            ("CHECK_ANALYTICS_METRICS", ","),
        ];
        assert_eq!(read(&wrong).1, 6);
    }
}
