//! One connection of a caller, from its first byte to its last.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::watch::{Order, Watch, WatchedIo};
use crate::problem::Problem;
use crate::proxy::{Proxy, peer_value};
use crate::upstream::Pools;

/// The smallest buffer for a head and for what follows it.
const BUFFER_BYTES: usize = 64 << 10;
/// What a refused caller may still send before its connection is closed.
const LEFTOVER_BYTES: usize = 64 << 10;
const LEFTOVER_TIME: Duration = Duration::from_secs(1);

/// Serves requests until the caller, a limit or the drain ends the connection.
pub(super) async fn serve(stream: TcpStream, proxy: Arc<Proxy>, pools: Pools, watch: Arc<Watch>) {
    let _open = Open(proxy.clone());
    let Ok(peer) = stream.peer_addr().map(|address| peer_value(address.ip())) else { return };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request: Request<_>| {
        let answer = proxy.clone().answer(pools.clone(), watch.clone(), peer.clone(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .max_header_size(proxy.limits.header_bytes)
        .max_buf_size(proxy.limits.header_bytes.max(BUFFER_BYTES))
        .serve_connection(WatchedIo::new(stream, watch.clone()), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // How it ended is the caller's business: what matters was counted by its requests.
            _ended = connection.as_mut() => return,
            order = watch.order() => match order {
                Order::Close => connection.as_mut().graceful_shutdown(),
                Order::Cut => return,
            },
        }
    }
}

/// Counts a connection as long as it lives.
struct Open(Arc<Proxy>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says that there are too many connections. What the caller sends is read, so that it sees the answer and no reset.
pub(super) async fn refuse(mut stream: TcpStream) {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many connections are open.").document();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{problem}",
        problem.len()
    );
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let (mut piece, mut left) = ([0; 4_096], LEFTOVER_BYTES);
        while left > 0 {
            match stream.read(&mut piece).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    let _told_or_gone = tokio::time::timeout(LEFTOVER_TIME, farewell).await;
}
