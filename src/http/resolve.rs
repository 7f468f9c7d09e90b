//! Addresses of hosts, as the system knows them. Tokio's way there panics when the system allows no
//! more threads.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use reqwest::dns::{Addrs, Resolve, Resolving};
use tower_service::Service;

use crate::parallel::aside;

/// Asks the system.
#[derive(Debug, Clone)]
pub(super) struct Resolver;

async fn addresses(host: String) -> io::Result<vec::IntoIter<SocketAddr>> {
    aside(move || (host.as_str(), 0).to_socket_addrs()).await
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(addresses(name.as_str().to_owned()))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async { Ok(Box::new(addresses(host).await?) as Addrs) })
    }
}
