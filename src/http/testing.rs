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
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).unwrap();
            heads.push(String::from_utf8_lossy(&head[..count]).into_owned());
            // A client that has seen enough may close first.
            let _ = stream.write_all(&answer);
        }
        heads
    });
    (url, server)
}

/// An answer that announces `length` bytes and then sends `body`.
pub(crate) fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
