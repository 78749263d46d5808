//! TLS servers in threads, and what an engine told of them.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::{HandshakeKind, ServerConfig, ServerConnection};
use twinload_engine_core::control::Told;
use twinload_engine_core::engine::Engine;
use twinload_engine_core::net::monotonic_ns;
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Stage};
use twinload_engine_core::tally::Cause;
use twinload_engine_core::template::{Columns, RequestSpec};
use twinload_engine_core::tls::{TlsConfig, TlsOptions, TlsTarget};

use crate::support::server_config;

pub(crate) fn any_version() -> Arc<ServerConfig> {
    server_config(rustls::ALL_VERSIONS, None)
}

/// What servers counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) full: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) requests: AtomicU64,
}

/// The server's end of one connection.
pub(crate) struct Peer {
    pub(crate) tls: ServerConnection,
    pub(crate) socket: TcpStream,
    counts: Arc<Counts>,
}

impl Peer {
    /// Reads a request up to its empty line; false at the end.
    pub(crate) fn request(&mut self) -> bool {
        let mut text = Vec::new();
        let mut piece = [0; 4_096];
        while !text.ends_with(b"\r\n\r\n") {
            match rustls::Stream::new(&mut self.tls, &mut self.socket).read(&mut piece) {
                Ok(count @ 1..) => text.extend_from_slice(&piece[..count]),
                Ok(_) | Err(_) => return false,
            }
        }
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(crate) fn answer(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = rustls::Stream::new(&mut self.tls, &mut self.socket);
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Says that it ends, and ends.
    pub(crate) fn close(mut self) {
        self.tls.send_close_notify();
        let _ = self.tls.write_tls(&mut self.socket);
    }
}

/// A server in threads of its own; they end when their peers do.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) counts: Arc<Counts>,
}

impl Server {
    /// Serves sockets as they are.
    pub(crate) fn raw(at: IpAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((at, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(socket));
            }
        });
        Self { address, counts: Arc::default() }
    }

    /// Serves connections after their handshake.
    pub(crate) fn tls_at(at: IpAddr, config: Arc<ServerConfig>, serve: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let serve = move |mut socket: TcpStream| {
            let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a session");
            while tls.is_handshaking() {
                if tls.complete_io(&mut socket).is_err() {
                    return;
                }
            }
            let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
            let count = if resumed { &shared.resumed } else { &shared.full };
            count.fetch_add(1, Ordering::Relaxed);
            serve(Peer { tls, socket, counts: Arc::clone(&shared) });
        };
        Self { counts, ..Self::raw(at, serve) }
    }

    pub(crate) fn tls(config: Arc<ServerConfig>, serve: impl Fn(Peer) + Send + Sync + 'static) -> Self {
        Self::tls_at(IpAddr::V4(Ipv4Addr::LOCALHOST), config, serve)
    }

    /// Returns a plan of one stage.
    pub(crate) fn plan(&self, tls: &TlsOptions, load: Load, length_s: f64) -> Plan {
        let stages = vec![Stage::new(0, load, 0.0, length_s)];
        let mut plan = Plan::simple(vec![self.address], RequestSpec::get("/"), Columns::default(), stages);
        let config = TlsConfig::new(tls).expect("options");
        plan.targets[0].tls = Some(TlsTarget { config, server_name: self.address.ip().to_string() });
        plan
    }
}

/// Answers every request with the same bytes.
pub(crate) fn always(answer: &[u8]) -> impl Fn(Peer) + Send + Sync + 'static {
    let answer = answer.to_vec();
    move |mut peer| while peer.request() && peer.answer(&answer).is_ok() {}
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) sent: u64,
    pub(crate) done: u64,
    pub(crate) failed: Vec<(Cause, u64)>,
    pub(crate) bytes: u64,
    pub(crate) opened: u64,
    pub(crate) refused: u64,
    pub(crate) fault: String,
}

impl Run {
    pub(crate) fn of(plan: &Plan) -> Self {
        let told = Engine::start(plan, monotonic_ns()).expect("it starts").join().expect("it ends");
        let mut run = Self::default();
        told.into_iter().for_each(|one| run.add(one));
        run
    }

    fn add(&mut self, told: Told) {
        self.opened += told.vitals.opened;
        self.refused += told.vitals.refused;
        self.fault = told.tls_fault.unwrap_or_default();
        for line in &told.lines {
            self.sent += line.sent;
            for status in &line.status {
                self.done += status.done;
                self.bytes += status.bytes;
                status.failed.iter().for_each(|&(cause, count)| self.fail(cause, count));
            }
        }
    }

    fn fail(&mut self, cause: Cause, count: u64) {
        match self.failed.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, sum)) => *sum += count,
            None => self.failed.push((cause, count)),
        }
    }

    /// Asserts that there were requests, and that all failed for this cause.
    pub(crate) fn all_failed(&self, cause: Cause) {
        assert!(self.done > 0, "{self:?}");
        assert_eq!(self.failed, [(cause, self.done)], "{self:?}");
    }

    /// Asserts that there were requests, and that none failed.
    pub(crate) fn none_failed(&self) {
        assert!(self.done > 0 && self.failed.is_empty(), "{self:?}");
    }
}
