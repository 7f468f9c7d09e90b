//! Stands before a server as if it were far away: what either side sends arrives later.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const WINDOW_BYTES: usize = 64 * 1024;

/// Forwards connections to `address`, with this round trip, until standard input ends; prints the
/// port.
pub(crate) fn serve(trip: Duration, address: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let address = address.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let address = address.clone();
            // A side that went away is no concern of the others.
            std::thread::spawn(move || drop(forward(&client, &address, trip)));
        }
    });
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn forward(client: &TcpStream, address: &str, trip: Duration) -> io::Result<()> {
    let server = TcpStream::connect(address)?;
    // Hands are shaken first.
    let open = Instant::now() + trip;
    std::thread::scope(|scope| {
        scope.spawn(|| pump(client, &server, trip / 2, open));
        pump(&server, client, trip / 2, open)
    })
}

/// Lets all that one side sends arrive at the other after a while.
fn pump(mut from: &TcpStream, to: &TcpStream, late: Duration, open: Instant) -> io::Result<()> {
    to.set_nodelay(true)?;
    let (sender, pieces) = channel::<(Instant, Vec<u8>)>();
    let mut sink = to.try_clone()?;
    let writer = std::thread::spawn(move || -> io::Result<()> {
        for (due, piece) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            sink.write_all(&piece)?;
        }
        sink.shutdown(Shutdown::Write)
    });
    let mut window = vec![0; WINDOW_BYTES];
    while let Ok(count @ 1..) = from.read(&mut window) {
        let due = Instant::now().max(open) + late;
        if sender.send((due, window[..count].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    writer.join().expect("no floor panics")
}
