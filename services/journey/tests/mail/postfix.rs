//! Postfix, and what it refuses, limits, delays and encrypts when it is told to.

mod crashes;
mod limits;
mod refusals;
mod slowness;
mod trust;

use journey::free_port;

use crate::server::Server;

const MAIN: &str = "
compatibility_level = 3.9
myhostname = mail.example.org
mydestination =
alias_maps =
notify_classes =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
maillog_file = /case/log/mail
maillog_file_prefixes = /case
virtual_mailbox_domains = example.com
virtual_mailbox_maps = regexp:{ { !/^nobody/ all/ } }
virtual_mailbox_base = /case/mail
virtual_uid_maps = static:1000
virtual_gid_maps = static:1000
";

const MASTER: &str = "
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";

/// Postfix as usual, and these lines of its `main.cf`.
async fn postfix(lines: &str) -> Server {
    with_services(lines, plain).await
}

/// The same, with other services in its `master.cf` than a plain one at its port.
async fn with_services(lines: &str, services: impl Fn(u16) -> String) -> Server {
    start(services, &[("main.cf", &main(lines))]).await
}

/// The same with more files beside its `main.cf`.
async fn start(services: impl Fn(u16) -> String, files: &[(&str, &str)]) -> Server {
    let port = free_port();
    let master = MASTER.to_owned() + &services(port);
    let files: Vec<_> = files.iter().copied().chain([("master.cf", master.as_str())]).collect();
    Server::start("postfix", port, &files).await
}

/// What takes mail at this port.
fn plain(port: u16) -> String {
    format!("127.0.0.1:{port} inet n - n - - smtpd\n")
}

/// The whole `main.cf`; of two lines about the same the later one counts.
fn main(lines: &str) -> String {
    format!("{MAIN}{lines}\n")
}
