//! A scripted server for tests.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use reqwest::Url;

/// Answers one connection after the other with the given bytes; returns the heads of the requests.
pub(crate) fn serve(answers: Vec<Vec<u8>>) -> (Url, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = super::url::parse(&format!("http://{}/x", listener.local_addr().unwrap())).unwrap();
    let server = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            // The client may connect ahead and then not need the connection.
            let (mut stream, request) = loop {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read_request(&mut stream);
                if !request.is_empty() {
                    break (stream, request);
                }
            };
            heads.push(request);
            // A client that has seen enough may close first.
            let _ = stream.write_all(&answer);
        }
        heads
    });
    (url, server)
}

/// Answers so many requests on each connection, then closes it without having said so; returns the
/// requests' heads.
pub(crate) fn serve_each(requests: &'static [usize]) -> (Url, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = super::url::parse(&format!("http://{}/x", listener.local_addr().unwrap())).unwrap();
    let server = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for count in requests {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..*count {
                heads.push(read_request(&mut stream));
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").unwrap();
            }
        }
        heads
    });
    (url, server)
}

/// Answers every request, each on a connection and a thread of its own, with what `reply` makes of its
/// head.
pub(crate) fn serve_all(reply: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = super::url::parse(&format!("http://{}/x", listener.local_addr().unwrap())).unwrap();
    let reply = std::sync::Arc::new(reply);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, reply) = (stream.unwrap(), std::sync::Arc::clone(&reply));
            std::thread::spawn(move || {
                let head = read_request(&mut stream);
                // A client that has seen enough may close first.
                let _ = stream.write_all(&reply(&head));
            });
        }
    });
    url
}

/// Reads a request, and the body that it announces if that is small: closing a connection with
/// unread bytes would take the answer away from the client.
fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut window = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some(end) = text.find("\r\n\r\n") {
            let head = &text[..end];
            let length = head.to_lowercase().split("content-length: ").nth(1).map_or(0, |rest| {
                rest.split("\r\n").next().unwrap_or(rest).parse::<usize>().unwrap()
            });
            if length > window.len() || request.len() >= end + 4 + length {
                return text.into_owned();
            }
        }
        match stream.read(&mut window).unwrap_or_default() {
            0 => return text.into_owned(),
            count => request.extend_from_slice(&window[..count]),
        }
    }
}

/// An answer that announces `length` bytes and then sends `body`.
pub(crate) fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Answers each GET with what was put at its path and query, else 404.
pub(crate) struct Site {
    /// Where it is served.
    pub(crate) url: String,
    routes: std::sync::Arc<std::sync::Mutex<Routes>>,
}

type Routes = std::collections::HashMap<String, Vec<u8>>;

impl Site {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = std::sync::Arc::new(std::sync::Mutex::new(Routes::new()));
        let shared = std::sync::Arc::clone(&routes);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = vec![0; 4096];
                let count = stream.read(&mut head).unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..count]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let reply = match shared.lock().unwrap().get(path) {
                    Some(body) => answer("200 OK", "", body.len(), body),
                    None => answer("404 Not Found", "", 0, b""),
                };
                let _ = stream.write_all(&reply);
            }
        });
        Self { url, routes }
    }

    /// Serves `body` at `path` from now on.
    pub(crate) fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.routes.lock().unwrap().insert(path.into(), body.into());
    }
}
