//! A proxy between a client and a server. A test can cut, delay, slow and freeze it.

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

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

#[derive(Debug, Clone, Copy)]
struct Wire {
    flow: Flow,
    /// How often all connections were cut or forgotten; each knows the number it was born at.
    generation: u64,
    /// Connections born before are cut.
    cut: u64,
    /// Connections born before pass nothing on.
    forgotten: u64,
    /// What is cut is reset (RST), and not closed (FIN).
    reset: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Passing { delay: Duration, chunk: usize },
    Frozen,
    Deaf(Way),
    Refusing,
}

/// What a proxy changes in what it passes on.
#[derive(Clone, Copy)]
struct Rewording {
    /// In the first thing that the server says.
    greeting: fn(&mut [u8]),
    /// In everything that a client says.
    client: fn(&mut [u8]),
}

const AS_SAID: Rewording = Rewording { greeting: |_| {}, client: |_| {} };

const CHUNK: usize = 64 * 1024;
const FREE: Flow = Flow::Passing { delay: Duration::ZERO, chunk: CHUNK };

impl Proxy {
    /// A proxy before this port of 127.0.0.1.
    pub async fn to(target: u16) -> Self {
        Self::among(&[target]).await
    }

    /// A proxy before these ports of 127.0.0.1: a connection goes to the first that takes it, beginning with the next in
    /// turn.
    pub async fn among(targets: &[u16]) -> Self {
        Self::start(targets, AS_SAID).await
    }

    /// A proxy before this port that passes on, as `reword` leaves it, the first thing that the server says on a connection.
    pub async fn rewording(target: u16, reword: fn(&mut [u8])) -> Self {
        Self::start(&[target], Rewording { greeting: reword, ..AS_SAID }).await
    }

    /// A proxy before this port that passes on, as `reword` leaves it, everything that a client says, read by read.
    pub async fn rewording_clients(target: u16, reword: fn(&mut [u8])) -> Self {
        Self::start(&[target], Rewording { client: reword, ..AS_SAID }).await
    }

    async fn start(targets: &[u16], reword: Rewording) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port can be bound");
        let port = listener.local_addr().expect("a listener has an address").port();
        let wire = Wire { flow: FREE, generation: 0, cut: 0, forgotten: 0, reset: false };
        let wire = Arc::new(watch::Sender::new(wire));
        let accepting = tokio::spawn(accept(listener, targets.to_vec(), wire.clone(), reword));
        Self { port, wire, accepting }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections; new ones pass.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| wire.cut(false));
    }

    /// Resets all connections; new ones pass.
    pub fn reset(&self) {
        self.wire.send_modify(|wire| wire.cut(true));
    }

    /// Closes all connections, and new ones as soon as they come, until [`Proxy::pass`].
    pub fn refuse(&self) {
        self.wire.send_modify(|wire| {
            wire.cut(false);
            wire.flow = Flow::Refusing;
        });
    }

    /// Passes nothing on and closes nothing, until [`Proxy::pass`]: a peer that is silent.
    pub fn freeze(&self) {
        self.flow(Flow::Frozen);
    }

    /// The same in one direction alone.
    pub fn freeze_way(&self, way: Way) {
        self.flow(Flow::Deaf(way));
    }

    /// Passes nothing on, for ever, on the connections there are, and closes none; new ones pass.
    pub fn forget(&self) {
        self.wire.send_modify(|wire| {
            wire.generation += 1;
            wire.forgotten = wire.generation;
        });
    }

    /// Holds each chunk back for this long.
    pub fn delay(&self, delay: Duration) {
        self.flow(Flow::Passing { delay, chunk: CHUNK });
    }

    /// Passes on at most so many bytes at once.
    pub fn thin(&self, chunk: usize) {
        self.flow(Flow::Passing { delay: Duration::ZERO, chunk });
    }

    /// Passes everything on at once.
    pub fn pass(&self) {
        self.flow(FREE);
    }

    fn flow(&self, flow: Flow) {
        self.wire.send_modify(|wire| wire.flow = flow);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.refuse();
    }
}

impl Wire {
    fn cut(&mut self, reset: bool) {
        self.generation += 1;
        self.cut = self.generation;
        self.reset = reset;
    }

    /// How bytes pass this way on a connection born at that generation, if they do.
    fn passing(&self, way: Way, born: u64) -> Option<(Duration, usize)> {
        match self.flow {
            _ if born < self.forgotten => None,
            Flow::Passing { delay, chunk } => Some((delay, chunk)),
            Flow::Deaf(deaf) if deaf != way => Some((Duration::ZERO, CHUNK)),
            Flow::Frozen | Flow::Deaf(_) | Flow::Refusing => None,
        }
    }
}

async fn accept(listener: TcpListener, targets: Vec<u16>, wire: Arc<watch::Sender<Wire>>, reword: Rewording) {
    for turn in 0.. {
        let Ok((client, _)) = listener.accept().await else { continue };
        let mut wire = wire.subscribe();
        let born = *wire.borrow_and_update();
        if born.flow == Flow::Refusing {
            continue;
        }
        let mut targets = targets.clone();
        let first = turn % targets.len();
        targets.rotate_left(first);
        tokio::spawn(serve(client, targets, wire, born.generation, reword));
    }
}

async fn serve(mut client: TcpStream, targets: Vec<u16>, wire: watch::Receiver<Wire>, born: u64, reword: Rewording) {
    let Some(mut server) = dial(&targets).await else { return };
    // Or what passes in small pieces would wait for the acknowledgement of each.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut cuts = wire.clone();
    let reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pump(from_client, to_server, wire.clone(), Way::ToServer, born, reword.client);
        let mut greeting = Some(reword.greeting);
        let greet = move |bytes: &mut [u8]| greeting.take().into_iter().for_each(|reword| reword(bytes));
        let back = pump(from_server, to_client, wire, Way::ToClient, born, greet);
        tokio::select! {
            _ = async { tokio::try_join!(there, back) } => false,
            wire = cuts.wait_for(|wire| born < wire.cut) => wire.is_ok_and(|wire| wire.reset),
        }
    };
    if reset {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn dial(targets: &[u16]) -> Option<TcpStream> {
    for target in targets {
        if let Ok(server) = TcpStream::connect(("127.0.0.1", *target)).await {
            return Some(server);
        }
    }
    None
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut wire: watch::Receiver<Wire>,
    way: Way,
    born: u64,
    mut reword: impl FnMut(&mut [u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = from.read(&mut buffer).await?;
        reword(&mut buffer[..length]);
        if length == 0 {
            passing(&mut wire, way, born).await?;
            return to.shutdown().await;
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let (delay, chunk) = passing(&mut wire, way, born).await?;
            sleep(delay).await;
            let (piece, later) = rest.split_at(chunk.min(rest.len()));
            to.write_all(piece).await?;
            rest = later;
        }
    }
}

/// Waits until bytes pass this way.
async fn passing(wire: &mut watch::Receiver<Wire>, way: Way, born: u64) -> io::Result<(Duration, usize)> {
    let passes = wire.wait_for(|wire| wire.passing(way, born).is_some()).await.map_err(io::Error::other)?;
    Ok(passes.passing(way, born).expect("it was waited for"))
}
