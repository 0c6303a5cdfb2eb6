//! A wire between a client and a server that a test can cut, delay and freeze.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// Listens on a port of its own and passes bytes on to another; everything is cut on drop.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    wire: Arc<watch::Sender<Wire>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct Wire {
    flow: Flow,
    /// Connections of an earlier generation are cut.
    generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Passing { delay: Duration },
    Frozen,
    Refusing,
}

impl Proxy {
    /// A proxy before this port of 127.0.0.1.
    pub async fn to(target: u16) -> Self {
        Self::rewording(target, |_| {}).await
    }

    /// The same, and the first thing that the server says on a connection is passed on as `reword` leaves it.
    pub async fn rewording(target: u16, reword: fn(&mut [u8])) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let wire = Wire { flow: Flow::Passing { delay: Duration::ZERO }, generation: 0 };
        let wire = Arc::new(watch::Sender::new(wire));
        let accepting = tokio::spawn(accept(listener, target, wire.clone(), reword));
        Self { port, wire, accepting }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections; new ones pass.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| wire.generation += 1);
    }

    /// Closes all connections, and new ones as soon as they come, until [`Proxy::pass`].
    pub fn refuse(&self) {
        self.wire.send_modify(|wire| *wire = Wire { flow: Flow::Refusing, generation: wire.generation + 1 });
    }

    /// Passes nothing on and closes nothing, until [`Proxy::pass`]: a peer that is silent.
    pub fn freeze(&self) {
        self.wire.send_modify(|wire| wire.flow = Flow::Frozen);
    }

    /// Holds each chunk back for this long.
    pub fn delay(&self, delay: Duration) {
        self.wire.send_modify(|wire| wire.flow = Flow::Passing { delay });
    }

    /// Passes everything on at once.
    pub fn pass(&self) {
        self.delay(Duration::ZERO);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.refuse();
    }
}

async fn accept(listener: TcpListener, target: u16, wire: Arc<watch::Sender<Wire>>, reword: fn(&mut [u8])) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let mut wire = wire.subscribe();
        let born = *wire.borrow_and_update();
        if born.flow == Flow::Refusing {
            continue;
        }
        tokio::spawn(async move {
            let mut cuts = wire.clone();
            tokio::select! {
                _ = connect(client, target, wire, reword) => {}
                _ = cuts.wait_for(|wire| wire.generation != born.generation) => {}
            }
        });
    }
}

async fn connect(client: TcpStream, target: u16, wire: watch::Receiver<Wire>, reword: fn(&mut [u8])) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", target)).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pump(from_client, to_server, wire.clone(), |_| {});
    tokio::try_join!(there, pump(from_server, to_client, wire, reword))?;
    Ok(())
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut wire: watch::Receiver<Wire>,
    reword: fn(&mut [u8]),
) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut first = true;
    loop {
        let length = from.read(&mut chunk).await?;
        if std::mem::take(&mut first) {
            reword(&mut chunk[..length]);
        }
        let flowing = wire.wait_for(|wire| matches!(wire.flow, Flow::Passing { .. })).await;
        let Ok(Flow::Passing { delay }) = flowing.map(|wire| wire.flow) else { return Ok(()) };
        sleep(delay).await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..length]).await?;
    }
}
