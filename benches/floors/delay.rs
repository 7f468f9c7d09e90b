//! Stands before a server as if it were far away, and more if it is told so: slow, lossy, or busy.
//!
//! Options, each as `NAME=NUMBER`:
//!
//! | name | what |
//! |---|---|
//! | `rate` | bytes in a second, in each direction, of all connections together |
//! | `connection-rate` | the same for each connection |
//! | `reset-every` | the connection of every such request is reset instead of answered |
//! | `refuse-every` | every such request is answered by 503 |
//! | `connections` | so many at once; on others the first request is answered by 503, and they are closed |
//! | `requests` | so many in a second, and as many at once after a pause; others are answered by 429 |
//!
//! All but the first two look at requests of HTTP/1.1, so they cannot be had through TLS.

use std::io::{self, Read as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

const WINDOW_BYTES: usize = 64 * 1024;
/// Pieces on their way in one direction of a connection; more wait at the sender.
const PIECES: usize = 256;

/// What there is between clients and the server.
struct Way {
    address: String,
    trip: Duration,
    rate: Option<f64>,
    connection_rate: Option<f64>,
    reset_every: Option<u64>,
    refuse_every: Option<u64>,
    connections: Option<u64>,
    requests: Option<f64>,
    state: Mutex<State>,
}

/// What has happened so far.
#[derive(Default)]
struct State {
    open: u64,
    most: u64,
    connections: u64,
    requests: u64,
    refused: u64,
    reset: u64,
    /// Until when each direction is busy.
    busy: [Option<Instant>; 2],
    /// Requests that may come now, as of this moment.
    tokens: Option<(f64, Instant)>,
}

/// What becomes of a request.
#[derive(PartialEq)]
enum Fate {
    Forwarded,
    Refused(&'static str),
    Reset,
}

impl Way {
    fn new(trip: Duration, address: &str, options: &[&str]) -> io::Result<Self> {
        let mut way = Self {
            address: address.to_owned(),
            trip,
            rate: None,
            connection_rate: None,
            reset_every: None,
            refuse_every: None,
            connections: None,
            requests: None,
            state: Mutex::default(),
        };
        for option in options {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let number = u32::try_from(crate::number(value)?).unwrap_or(u32::MAX);
            match name {
                "rate" => way.rate = Some(f64::from(number)),
                "connection-rate" => way.connection_rate = Some(f64::from(number)),
                "reset-every" => way.reset_every = Some(number.into()),
                "refuse-every" => way.refuse_every = Some(number.into()),
                "connections" => way.connections = Some(number.into()),
                "requests" => way.requests = Some(f64::from(number)),
                _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, (*option).to_owned())),
            }
        }
        Ok(way)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no floor panics")
    }

    fn reads_requests(&self) -> bool {
        let counts = [self.reset_every, self.refuse_every, self.connections];
        counts.iter().any(Option::is_some) || self.requests.is_some()
    }

    fn opened(&self) -> bool {
        let mut state = self.state();
        state.open += 1;
        state.connections += 1;
        state.most = state.most.max(state.open);
        self.connections.is_none_or(|most| state.open <= most)
    }

    /// Decides about the next request.
    fn fate(&self, is_welcome: bool) -> Fate {
        let state = &mut *self.state();
        state.requests += 1;
        let is_due =
            |every: Option<u64>| every.is_some_and(|every| state.requests.is_multiple_of(every));
        let (is_lost, is_unlucky) = (is_due(self.reset_every), is_due(self.refuse_every));
        let is_early = self.requests.is_some_and(|rate| {
            let now = Instant::now();
            let (tokens, last) = state.tokens.unwrap_or((rate, now));
            let tokens = (tokens + (now - last).as_secs_f64() * rate).min(rate);
            state.tokens = Some((if tokens < 1.0 { tokens } else { tokens - 1.0 }, now));
            tokens < 1.0
        });
        if is_lost {
            state.reset += 1;
            return Fate::Reset;
        }
        if is_early || is_unlucky || !is_welcome {
            state.refused += 1;
            return Fate::Refused(if is_early { "429 Too Many Requests" } else { "503 Busy" });
        }
        Fate::Forwarded
    }

    fn said(&self) -> String {
        let State { most, connections, requests, refused, reset, .. } = &*self.state();
        format!(
            "{{\"most\": {most}, \"connections\": {connections}, \"requests\": {requests}, \
             \"refused\": {refused}, \"reset\": {reset}}}"
        )
    }
}

/// Forwards connections to `address`, with this round trip, until standard input ends; prints the
/// port, and for each line what has happened since the last one.
pub(crate) fn serve(trip: Duration, address: &str, options: &[&str]) -> io::Result<()> {
    let way = Arc::new(Way::new(trip, address, options)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    println!("{}", listener.local_addr()?.port());
    let asked = Arc::clone(&way);
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1)) {
            println!("{}", asked.said());
            let mut state = asked.state();
            *state = State { open: state.open, most: state.open, ..State::default() };
        }
        std::process::exit(0);
    });
    runtime.block_on(async {
        loop {
            let (client, _) = listener.accept().await?;
            let way = Arc::clone(&way);
            tokio::spawn(async move {
                let is_welcome = way.opened();
                // A side that went away is no concern of the others.
                drop(connect(client, &way, is_welcome).await);
                way.state().open -= 1;
            });
        }
    })
}

async fn connect(mut client: TcpStream, way: &Way, is_welcome: bool) -> io::Result<()> {
    // Hands are shaken first.
    let open = Instant::now() + way.trip;
    let mut server = TcpStream::connect(&way.address).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let reset = Notify::new();
    let is_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let (up, up_pieces) = Line::new(way, 0, open);
        let (down, down_pieces) = Line::new(way, 1, open);
        let down = tokio::sync::Mutex::new(down);
        let requests = async {
            if way.reads_requests() {
                read_requests(from_client, up, &down, way, is_welcome, &reset).await
            } else {
                pump(from_client, up).await
            }
        };
        let answers = async {
            let mut from = from_server;
            let mut window = vec![0; WINDOW_BYTES];
            while let Ok(count @ 1..) = from.read(&mut window).await {
                down.lock().await.put(window[..count].to_vec()).await?;
            }
            down.lock().await.pieces = None;
            Ok::<_, io::Error>(())
        };
        let all = async {
            tokio::join!(
                requests,
                answers,
                arrive(up_pieces, to_server),
                arrive(down_pieces, to_client)
            )
        };
        tokio::select! {
            _ = all => false,
            () = reset.notified() => true,
        }
    };
    if is_reset { client.set_zero_linger() } else { Ok(()) }
}

/// One direction of a connection: what is put in arrives later.
struct Line<'a> {
    way: &'a Way,
    direction: usize,
    open: Instant,
    /// Until when it is busy.
    busy: Instant,
    /// None once nothing more comes.
    pieces: Option<mpsc::Sender<(Instant, Vec<u8>)>>,
}

impl<'a> Line<'a> {
    fn new(
        way: &'a Way,
        direction: usize,
        open: Instant,
    ) -> (Self, mpsc::Receiver<(Instant, Vec<u8>)>) {
        let (pieces, arriving) = mpsc::channel(PIECES);
        (Self { way, direction, open, busy: open, pieces: Some(pieces) }, arriving)
    }

    async fn put(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let mut sent = Instant::now().max(self.open);
        let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let takes = |rate: f64| Duration::from_secs_f64(f64::from(bytes) / rate);
        if let Some(rate) = self.way.connection_rate {
            self.busy = self.busy.max(sent) + takes(rate);
            sent = self.busy;
        }
        if let Some(rate) = self.way.rate {
            let busy = &mut self.way.state().busy[self.direction];
            sent = busy.unwrap_or(sent).max(sent) + takes(rate);
            *busy = Some(sent);
        }
        let Some(pieces) = &self.pieces else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let late = (sent + self.way.trip / 2, piece);
        pieces.send(late).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

async fn arrive(
    mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some((due, piece)) = pieces.recv().await {
        sleep_until(due).await;
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}

async fn pump(mut from: impl AsyncRead + Unpin, mut line: Line<'_>) -> io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES];
    while let Ok(count @ 1..) = from.read(&mut window).await {
        line.put(window[..count].to_vec()).await?;
    }
    Ok(())
}

/// Forwards requests, or answers them itself.
async fn read_requests(
    mut from: impl AsyncRead + Unpin,
    mut up: Line<'_>,
    down: &tokio::sync::Mutex<Line<'_>>,
    way: &Way,
    is_welcome: bool,
    reset: &Notify,
) -> io::Result<()> {
    let (mut seen, mut window) = (Vec::new(), vec![0; WINDOW_BYTES]);
    loop {
        let end = loop {
            if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match from.read(&mut window).await {
                Ok(count @ 1..) => seen.extend_from_slice(&window[..count]),
                Ok(0) | Err(_) => return Ok(()),
            }
        };
        let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
        let length = head.split("\r\ncontent-length:").nth(1).and_then(|rest| {
            rest.split("\r\n").next().and_then(|text| text.trim().parse::<usize>().ok())
        });
        let mut left = end + length.unwrap_or(0);
        let fate = way.fate(is_welcome);
        while left > 0 {
            if seen.is_empty() {
                match from.read(&mut window).await {
                    Ok(count @ 1..) => seen.extend_from_slice(&window[..count]),
                    Ok(0) | Err(_) => return Ok(()),
                }
            }
            let piece: Vec<u8> = seen.drain(..left.min(seen.len())).collect();
            left -= piece.len();
            if fate == Fate::Forwarded {
                up.put(piece).await?;
            }
        }
        match fate {
            Fate::Forwarded => {}
            Fate::Refused(status) => {
                let close = if is_welcome { "" } else { "Connection: close\r\n" };
                let answer = format!("HTTP/1.1 {status}\r\n{close}Content-Length: 0\r\n\r\n");
                // It comes back after a round trip, as if the server itself had said so.
                sleep_until(Instant::now().max(up.open) + way.trip / 2).await;
                down.lock().await.put(answer.into_bytes()).await?;
                if !is_welcome {
                    return Ok(());
                }
            }
            Fate::Reset => {
                sleep_until(Instant::now().max(up.open) + way.trip).await;
                reset.notify_one();
                return std::future::pending().await;
            }
        }
    }
}
