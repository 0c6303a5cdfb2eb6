//! A broker of three nodes.

use std::process::Stdio;

use super::{Broker, Node, Options, options::Member};
use crate::{Child, eventually, free_port};

const SIZE: usize = 3;

/// Three joined nodes; each handle is one of them.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: [Broker; SIZE],
    // All nodes share one name server, so that the death of a node takes nothing from the others.
    _name_server: Child,
}

impl Cluster {
    /// Starts three nodes and waits until they are joined.
    pub async fn start() -> Self {
        let name_server = free_port();
        let mut command = Child::command(super::admin::program("epmd"));
        command.args(["-port", &name_server.to_string(), "-address", "127.0.0.1"]).stderr(Stdio::null());
        let process = Child::spawn(command);
        let names: [String; SIZE] = std::array::from_fn(|index| format!("warren{index}@localhost"));
        let nodes = names.clone().map(|name| {
            let cookie = format!("WARREN{name_server}");
            let mut options = Options { member: Some(Member { name, cookie, name_server }), ..Options::new() };
            options = options.line("cluster_formation.peer_discovery_backend = classic_config");
            options = options.line(&format!("cluster_formation.target_cluster_size_hint = {SIZE}"));
            for (index, name) in names.iter().enumerate() {
                options = options.line(&format!("cluster_formation.classic_config.nodes.{} = {name}", index + 1));
            }
            Broker::of(Node::prepare(options))
        });
        for node in &nodes {
            node.restart_soon();
        }
        for node in &nodes {
            node.node.answers().await;
        }
        let joined = || async { nodes[0].management("nodes").await.as_array().map_or(0, Vec::len) };
        eventually("three nodes are joined", joined, |&count| count == SIZE).await;
        Self { nodes, _name_server: process }
    }
}
