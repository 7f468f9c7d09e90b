//! The least work that an operation needs from the system: what no implementation can beat.
//!
//! ```text
//! floors read THREADS LIST           open, read and close every file of a list
//! floors create THREADS ROOT LIST    make every file of a list of `SIZE PATH` below ROOT
//! floors getdents ROOT               read every directory below ROOT
//! floors statx ROOT                  the same, and look at every file
//! floors sink CONNECTIONS ADDRESS LIST   GET every path of a list, keep nothing
//! floors serve ROOT                  serve files until standard input ends
//! floors delay MILLISECONDS ADDRESS [NAME=NUMBER...]   forward to a server, as if it were so far
//!                                    away, until then; see `delay.rs` for what else it may be
//! ```
//!
//! Lists have one line for each file. All but the last two print `{"wall": SECONDS, "count": FILES}`.
#![allow(clippy::print_stdout, reason = "printing is what these programs are for")]

mod delay;
mod files;
mod http;
mod walk;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Tasks that several threads take in turn.
struct Queue<'a, T> {
    tasks: &'a [T],
    next: &'a AtomicUsize,
}

impl<'a, T> Iterator for Queue<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Lets threads take tasks until none is left, or one fails.
fn share<T: Sync>(
    threads: usize,
    tasks: &[T],
    work: impl Fn(Queue<T>) -> io::Result<()> + Sync,
) -> io::Result<usize> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let run = || work(Queue { tasks, next: &next });
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no floor panics"))
    })?;
    Ok(tasks.len())
}

fn lines(path: &str) -> io::Result<Vec<String>> {
    Ok(std::fs::read_to_string(path)?.lines().map(str::to_owned).collect())
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{error}")))
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // What is listed is read before the clock starts.
    let list = words.last().filter(|_| matches!(words[0], "read" | "create" | "sink"));
    let list = list.map_or(Ok(Vec::new()), |path| lines(path))?;
    let begin = Instant::now();
    let count = match words.as_slice() {
        ["read", threads, _] => files::read(number(threads)?, &list)?,
        ["create", threads, root, _] => files::create(number(threads)?, root.as_ref(), &list)?,
        ["getdents", root] => walk::count(root, false)?,
        ["statx", root] => walk::count(root, true)?,
        ["sink", connections, address, _] => http::sink(number(connections)?, address, &list)?,
        ["serve", root] => return http::serve(root.as_ref()),
        ["delay", trip, address, options @ ..] => {
            return delay::serve(Duration::from_millis(number(trip)? as u64), address, options);
        }
        _ => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "see the crate's first lines"));
        }
    };
    println!("{{\"wall\": {}, \"count\": {count}}}", begin.elapsed().as_secs_f64());
    Ok(())
}
