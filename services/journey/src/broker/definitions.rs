//! The definitions that a broker loads before its first client: `deploy/definitions.json`, and the services' users.

use serde_json::{Value, json};

use super::Broker;

const DEFINITIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/definitions.json"));

/// User, and what it may configure, write and read: the rights that the chart gives. The password is the name.
const USERS: [(&str, [&str; 3]); 4] = [
    (
        "order",
        [
            "^(order-exchange|email-queue|analytics-queue)$",
            "^(order-exchange|email-queue|analytics-queue)$",
            "^order-exchange$",
        ],
    ),
    (
        "email",
        [
            "^(order-exchange|email-queue(\\..+)?)$",
            "^(amq\\.default|email-queue)$",
            "^(order-exchange|email-queue(\\..+)?)$",
        ],
    ),
    (
        "analytics",
        [
            "^(order-exchange|analytics-queue(\\..+)?)$",
            "^(amq\\.default|analytics-queue)$",
            "^(order-exchange|analytics-queue(\\..+)?)$",
        ],
    ),
    ("redrive", ["^$", "^amq\\.default$", "^email-queue\\.dead$"]),
];

/// The definitions of every broker, with the services' users.
pub(super) fn definitions() -> Value {
    let mut definitions: Value = serde_json::from_str(DEFINITIONS).expect("deploy/definitions.json is JSON");
    for (user, rights) in USERS {
        push(&mut definitions, "users", json!({"name": user, "password": user, "tags": []}));
        push(&mut definitions, "permissions", permission(user, "/", rights));
    }
    definitions
}

fn push(definitions: &mut Value, list: &str, entry: Value) {
    definitions[list].as_array_mut().expect("definitions have this list").push(entry);
}

fn permission(user: &str, vhost: &str, [configure, write, read]: [&str; 3]) -> Value {
    json!({"user": user, "vhost": vhost, "configure": configure, "write": write, "read": read})
}

impl Broker {
    /// The same node, in a vhost whose default queue type is classic, as in a broker that nobody has set up.
    pub async fn with_classic_queues(&self) -> Self {
        let broker = Self { vhost: "classic".to_owned(), ..self.clone() };
        broker.make_vhost("classic").await;
        broker
    }

    /// Gives a new vhost what definitions give to `/`, with this type for queues that name none.
    pub(super) async fn make_vhost(&self, default_queue_type: &str) {
        let vhost = self.vhost();
        self.put(&format!("vhosts/{vhost}"), &json!({"default_queue_type": default_queue_type})).await;
        self.put(&format!("permissions/{vhost}/guest"), &permission("guest", vhost, [".*"; 3])).await;
        for (user, rights) in USERS {
            self.put(&format!("permissions/{vhost}/{user}"), &permission(user, vhost, rights)).await;
        }
        for policy in definitions()["policies"].as_array().expect("definitions have policies") {
            let name = policy["name"].as_str().expect("a policy has a name");
            self.put(&format!("policies/{vhost}/{name}"), policy).await;
        }
    }
}
