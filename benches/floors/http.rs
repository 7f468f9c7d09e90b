//! The plainest HTTP: a client that keeps nothing, and a server of files.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path};

use crate::share;

const WINDOW_BYTES: usize = 256 * 1024;

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The first line of a message, and the size of its body.
fn head(reader: &mut BufReader<TcpStream>) -> io::Result<(String, usize)> {
    let (mut first, mut size) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => return Ok((first, size)),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                size = value.trim().parse().map_err(|_| broken("Content-Length"))?;
            }
            Some(_) => {}
        }
    }
}

/// Takes `size` bytes out of `reader` and forgets them.
fn forget(reader: &mut BufReader<TcpStream>, size: usize, window: &mut [u8]) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        let most = left.min(window.len());
        match reader.read(&mut window[..most])? {
            0 => return Err(broken("the body ended early")),
            count => left -= count,
        }
    }
    Ok(())
}

/// Gets paths over some connections, each kept alive.
pub(crate) fn sink(connections: usize, address: &str, list: &[String]) -> io::Result<usize> {
    share(connections, list, |mut paths| {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        let mut window = vec![0; WINDOW_BYTES];
        paths.try_for_each(|path| {
            writer
                .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
            let (first, size) = head(&mut reader)?;
            if first.split(' ').nth(1) != Some("200") {
                return Err(broken(&first));
            }
            forget(&mut reader, size, &mut window)
        })
    })
}

/// Serves the files below `root` (and takes what is PUT, to forget it) on a free port, which it
/// prints, until standard input ends.
pub(crate) fn serve(root: &Path) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let root = root.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            // A client that went away is no concern of the others.
            std::thread::spawn(move || drop(answer_all(stream, &root)));
        }
    });
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn answer_all(stream: TcpStream, root: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        let (first, size) = head(&mut reader)?;
        let mut words = first.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
        forget(&mut reader, size, &mut window)?;
        let path = Path::new(path.trim_start_matches('/'));
        let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        match File::open(root.join(path)) {
            _ if method == "PUT" => {
                writer.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")?;
            }
            Ok(file) if is_inside => send(&mut writer, file, &mut window)?,
            Ok(_) | Err(_) => {
                writer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            }
        }
    }
}

fn send(writer: &mut TcpStream, mut file: File, window: &mut [u8]) -> io::Result<()> {
    let size = file.metadata()?.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    // Head and a small body in one piece.
    window[..head.len()].copy_from_slice(head.as_bytes());
    let mut filled = head.len();
    loop {
        filled += file.read(&mut window[filled..])?;
        writer.write_all(&window[..filled])?;
        if filled < window.len() {
            return Ok(());
        }
        filled = 0;
    }
}
