//! Sockets, workers and the drain: Actix Web around [`Service`].
//!
//! Each worker is one thread with one scratch. A request is answered where it is read, in one go; only a
//! large fib goes to another thread. Routing, decoding and normalising of the framework are not used:
//! every request reaches one function, which looks at the raw target.
//!
//! SIGTERM and SIGINT: the listener closes, idle connections close, requests in flight are answered for at most
//! ten seconds, then [`Server::run`] returns.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, rt};

use crate::fib::fib;
use crate::ledger::{Ledger, LoadError};
use crate::service::{self, Books, Head, Reply, Request, Scratch, Service};
use crate::store::{Follower, Live, StoreAddress, StoreError};

const LEDGER_AS_OF: HeaderName = HeaderName::from_static("ledger-as-of");

/// How long requests in flight may take after a stop was asked for.
const DRAIN_S: u64 = 10;

/// Idle connections are kept this long: longer than a load generator pauses, so that none closes under a request.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// A connection that has not sent a whole head by then is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Waiting connections; a burst of a pool's users arrives at once.
const BACKLOG: u32 = 4096;

/// Why the server ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is not to be had.
    #[error("cannot listen on {address}: {source}; choose another --listen or end what holds it")]
    Listen {
        /// The wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The sockets broke down.
    #[error("the server stopped: {0}; see the lines above")]
    Run(#[from] std::io::Error),
    /// The ledger cannot be served.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store cannot be followed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A server whose port is open and which has not answered yet.
pub struct Server {
    running: actix_web::dev::Server,
    service: Arc<Service>,
    address: SocketAddr,
}

impl Server {
    /// Opens the port; must be called within an Actix system.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn bind(address: SocketAddr, workers: usize, service: Arc<Service>) -> Result<Self, ServerError> {
        let shared = Arc::clone(&service);
        let server = HttpServer::new(move || {
            let service = Arc::clone(&shared);
            let scratch = Rc::new(RefCell::new(Scratch::default()));
            App::new().default_service(fn_service(move |request: ServiceRequest| {
                respond(request, Arc::clone(&service), Rc::clone(&scratch))
            }))
        });
        let server = server
            .workers(workers)
            .backlog(BACKLOG)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .tcp_nodelay(true)
            .shutdown_timeout(DRAIN_S)
            .bind(address)
            .map_err(|source| ServerError::Listen { address, source })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(Self { running: server.run(), service, address })
    }

    /// The address that is really bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server from elsewhere, as a signal would.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.running.handle()
    }

    /// Answers requests until a signal, while another thread reads the ledger; `ready` is called once it is there and,
    /// with a store, all that this holds is applied. The store is followed until the end.
    ///
    /// # Errors
    /// When the ledger cannot be loaded, the store is not this ledger's, or the sockets break down.
    pub async fn run(
        self,
        data: PathBuf,
        store: Option<StoreAddress>,
        ready: impl FnOnce(&Ledger) + 'static,
    ) -> Result<(), ServerError> {
        let handle = self.running.handle();
        let serving = rt::spawn(self.running);
        let fault = Rc::new(Cell::new(None));
        let found = Rc::clone(&fault);
        let keeping = rt::spawn(async move {
            if let Err(unusable) = keep_books(&self.service, data, store, ready).await {
                found.set(Some(unusable));
                handle.stop(false).await;
            }
        });
        let served = serving.await.map_err(std::io::Error::other)?;
        keeping.abort();
        match fault.take() {
            Some(unusable) => Err(unusable),
            None => Ok(served?),
        }
    }
}

/// Loads the ledger, makes the service ready, and follows the store where there is one.
async fn keep_books(
    service: &Service,
    data: PathBuf,
    store: Option<StoreAddress>,
    ready: impl FnOnce(&Ledger),
) -> Result<(), ServerError> {
    let loaded = rt::task::spawn_blocking(move || Ledger::load(&data)).await.map_err(std::io::Error::other)?;
    let ledger = Arc::new(loaded?);
    let Some(address) = store else {
        ready(&ledger);
        service.set_books(Books { ledger, live: None });
        return Ok(());
    };
    let live = Arc::new(Live::new(&ledger));
    let follower = Follower::begin(address, Arc::clone(&ledger), Arc::clone(&live)).await?;
    ready(&ledger);
    service.set_books(Books { ledger, live: Some(live) });
    follower.follow().await;
    Ok(())
}

type Answered = Result<ServiceResponse, actix_web::Error>;

async fn respond(request: ServiceRequest, service: Arc<Service>, scratch: Rc<RefCell<Scratch>>) -> Answered {
    let reply = service.answer(view(&request), &mut scratch.borrow_mut());
    let response = match reply {
        Reply::Now(head) => response(head, scratch.borrow().body()),
        Reply::SlowFib(n) => {
            let value = rt::task::spawn_blocking(move || fib(n)).await.map_err(std::io::Error::other)?;
            let mut scratch = scratch.borrow_mut();
            let head = service.slow_fib(n, value, &mut scratch);
            response(head, scratch.body())
        }
        Reply::Profile => profile(request.query_string()).await,
    };
    let (request, payload) = request.into_parts();
    // An unread body is the framework's to discard, once the answer is out.
    drop(payload);
    Ok(ServiceResponse::new(request, response))
}

fn view(request: &ServiceRequest) -> Request<'_> {
    let head = request.head();
    let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        // The framework has refused what is no number; a number too large for this type is over the limit all the same.
        content_length: declared.map_or(0, |text| text.trim().parse().unwrap_or(u64::MAX)),
    }
}

fn response(head: Head, body: &[u8]) -> HttpResponse<BoxBody> {
    // Every status of the service is a valid one.
    let mut builder = HttpResponse::build(StatusCode::from_u16(head.status).unwrap_or_default());
    builder.insert_header((CONTENT_TYPE, HeaderValue::from_static(head.content_type)));
    if let Some(as_of) = head.as_of {
        builder.insert_header((LEDGER_AS_OF, HeaderValue::from(as_of)));
    }
    if head.allow {
        builder.insert_header((ALLOW, HeaderValue::from_static(service::ALLOW)));
    }
    if head.close {
        builder.force_close();
    }
    builder.body(body.to_vec())
}

#[cfg(feature = "profiling")]
async fn profile(query: &str) -> HttpResponse<BoxBody> {
    crate::profile::respond(query).await
}

#[cfg(not(feature = "profiling"))]
#[expect(clippy::unused_async, reason = "the other build's profile takes its time")]
async fn profile(_query: &str) -> HttpResponse<BoxBody> {
    HttpResponse::NotFound().finish()
}
