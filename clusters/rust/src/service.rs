//! One request in, one answer out: the contract's order of checks, without sockets.
//!
//! Length (413), readiness (503), path (404), method (405), query (400), user (404), then the work.

use std::sync::{Arc, OnceLock};

use crate::encode;
use crate::fib::{INLINE_MAX_N, fib};
use crate::fold::{CorruptLedger, FoldScratch};
use crate::json::Json;
use crate::ledger::{Ledger, Rows};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::query::{self, Period};
use crate::route::Route;
use crate::statistics::StatisticsScratch;
use crate::store::{Live, State};

/// A request may declare at most this many bytes of body.
pub const BODY_MAX_BYTES: u64 = 65_536;

/// `Allow` of every resource here.
pub const ALLOW: &str = "GET, HEAD";

/// What counts in a request; raw text, nothing decoded.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As sent; methods have upper and lower case.
    pub method: &'a str,
    /// The path before `?`.
    pub path: &'a str,
    /// What follows the first `?`; empty when there is none.
    pub query: &'a str,
    /// The declared length; 0 when none is declared.
    pub content_length: u64,
}

/// An answer's head; its body is in the scratch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Ledger-As-Of`, where the answer tells of the ledger.
    pub as_of: Option<u32>,
    /// Whether `Allow` is sent.
    pub allow: bool,
    /// Whether the connection ends with this answer.
    pub close: bool,
}

impl Head {
    const OK: Self = Self { status: 200, content_type: "application/json", as_of: None, allow: false, close: false };
}

/// What the service says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The answer is complete.
    Now(Head),
    /// `fib` of a number so large that other requests should not wait for it.
    SlowFib(u32),
    /// A CPU profile is wanted.
    Profile,
}

/// Buffers of one worker. Nothing in them outlives a request but their capacity.
#[derive(Debug, Default)]
pub struct Scratch {
    fold: FoldScratch,
    statistics: StatisticsScratch,
    json: Json,
}

impl Scratch {
    /// The body of the answer that was made last.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.json.as_bytes()
    }
}

/// What is answered from: the ledger as loaded, and with a store what was written since.
#[derive(Debug)]
pub struct Books {
    /// As loaded.
    pub ledger: Arc<Ledger>,
    /// Written since; `None` without a store.
    pub live: Option<Arc<Live>>,
}

impl Books {
    /// Shows a user's rows with `now` and as-of, all of one moment.
    fn read<T>(&self, user: u32, look: impl FnOnce(Rows<'_>, i64, u32) -> T) -> T {
        match &self.live {
            None => look(self.ledger.rows(user), self.ledger.now_ms(), self.ledger.as_of()),
            Some(live) => live.read(&self.ledger, user, |rows, mark| look(rows, mark.time_ms, mark.seq)),
        }
    }
}

/// An instance: its books once they are loaded, and its counters. Shared by all workers.
#[derive(Debug, Default)]
pub struct Service {
    books: OnceLock<Books>,
    has_store: bool,
    metrics: Metrics,
}

impl Service {
    /// An instance that is not ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An instance that is not ready yet and will share its books with others.
    #[must_use]
    pub fn with_store(has_store: bool) -> Self {
        Self { has_store, ..Self::default() }
    }

    /// Makes the instance ready without a store. A second ledger is dropped.
    pub fn set_ledger(&self, ledger: Ledger) {
        self.set_books(Books { ledger: Arc::new(ledger), live: None });
    }

    /// Makes the instance ready. Second books are dropped.
    pub fn set_books(&self, books: Books) {
        let _ = self.books.set(books);
    }

    /// Counters of this instance.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers one request; the body is left in the scratch.
    pub fn answer(&self, request: Request<'_>, scratch: &mut Scratch) -> Reply {
        scratch.json.clear();
        let route = Route::of(request.path);
        let reply = self.checked(request, route, scratch).unwrap_or_else(|problem| {
            // A fault found while a body was begun replaces it.
            scratch.json.clear();
            problem.write(&mut scratch.json);
            Reply::Now(Head {
                status: problem.status,
                content_type: "application/problem+json",
                as_of: None,
                allow: problem.status == 405,
                close: problem.status == 413,
            })
        });
        if let Reply::Now(head) = reply {
            self.metrics.count(route.endpoint(), head.status);
        }
        reply
    }

    fn checked(&self, request: Request<'_>, route: Route<'_>, scratch: &mut Scratch) -> Result<Reply, Problem> {
        if request.content_length > BODY_MAX_BYTES {
            return Err(Problem::BODY_TOO_LARGE);
        }
        if request.path.starts_with("/v1/") && self.books.get().is_none() {
            return Err(Problem::NOT_READY);
        }
        if route == Route::None {
            return Err(Problem::NOT_FOUND);
        }
        if !matches!(request.method, "GET" | "HEAD") {
            return Err(Problem::METHOD_NOT_ALLOWED);
        }
        let json = &mut scratch.json;
        match route {
            Route::Balance(id) => return self.balance(id, scratch),
            Route::Statistics(id) => return self.statistics(id, request.query, scratch),
            Route::Fib => match query::parse_n(request.query)? {
                n if n > INLINE_MAX_N => return Ok(Reply::SlowFib(n)),
                n => write_fib(json, n, fib(n)),
            },
            Route::Healthz => json.raw("{\"status\":\"ok\"}"),
            Route::Readyz => {
                let books = self.books.get().ok_or(Problem::NOT_READY)?;
                // One whose store is gone answers as well as before; one whose store is lost would part from others.
                if books.live.as_ref().is_some_and(|live| live.state() == State::Lost) {
                    return Err(Problem::STORE_LOST);
                }
                json.raw("{\"status\":\"ready\"}");
            }
            Route::Version => self.version(json),
            Route::Metrics => {
                json.raw(&self.metrics.text(self.books.get().and_then(|books| books.live.as_deref())));
                return Ok(Reply::Now(Head { content_type: "text/plain; version=0.0.4", ..Head::OK }));
            }
            Route::Profile => return Ok(Reply::Profile),
            Route::None => return Err(Problem::NOT_FOUND),
        }
        Ok(Reply::Now(Head::OK))
    }

    fn balance(&self, id: &str, scratch: &mut Scratch) -> Result<Reply, Problem> {
        let books = self.books.get().ok_or(Problem::NOT_READY)?;
        let user = books.ledger.users().find(id).ok_or(Problem::UNKNOWN_USER)?;
        books.read(user, |rows, now_ms, as_of| {
            let balance = scratch.fold.fold(rows, now_ms).map_err(|CorruptLedger| Problem::LEDGER_CORRUPT)?;
            encode::balance(&mut scratch.json, id, &balance, rows);
            Ok(about(as_of))
        })
    }

    fn statistics(&self, id: &str, query: &str, scratch: &mut Scratch) -> Result<Reply, Problem> {
        let books = self.books.get().ok_or(Problem::NOT_READY)?;
        let users = books.ledger.users();
        let period = Period::parse(query)?;
        let user = users.find(id).ok_or(Problem::UNKNOWN_USER)?;
        books.read(user, |rows, _, as_of| {
            let statistics = scratch.statistics.scan(rows, period, users);
            encode::statistics(&mut scratch.json, id, period, &statistics, users);
            Ok(about(as_of))
        })
    }

    fn version(&self, json: &mut Json) {
        let ledger = self.books.get().map(|books| &books.ledger);
        let (users, entries) = ledger.map_or((0, 0), |ledger| (ledger.users().len(), ledger.entries()));
        json.raw("{\"service\":\"wallet\",\"twin\":\"rust\",\"build\":\"");
        json.raw(concat!(env!("CARGO_PKG_VERSION"), "\",\"runtime\":\"actix-web 4\""));
        json.raw(if self.has_store { ",\"store\":\"redis\"" } else { ",\"store\":\"none\"" });
        json.member(",\"users\":", users);
        json.member(",\"entries\":", entries);
        json.raw(",\"serves\":[\"balance\",\"statistics\",\"fib\"]}");
    }

    /// The answer of a fib that was computed elsewhere; the body is left in the scratch.
    pub fn slow_fib(&self, n: u32, value: u64, scratch: &mut Scratch) -> Head {
        scratch.json.clear();
        write_fib(&mut scratch.json, n, value);
        self.metrics.count(Route::Fib.endpoint(), 200);
        Head::OK
    }
}

fn about(as_of: u32) -> Reply {
    Reply::Now(Head { as_of: Some(as_of), ..Head::OK })
}

fn write_fib(json: &mut Json, n: u32, value: u64) {
    json.member("{\"n\":", n);
    json.member(",\"fib\":", value);
    json.raw("}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Request<'_> {
        Request { method: "GET", path, query: "", content_length: 0 }
    }

    fn status(service: &Service, request: Request<'_>) -> u16 {
        match service.answer(request, &mut Scratch::default()) {
            Reply::Now(head) => head.status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_instance_without_a_ledger_is_alive_but_not_ready() {
        let service = Service::new();
        let seen = ["/healthz", "/version", "/metrics", "/readyz", "/v1/users/a/balance", "/v1/gifts", "/v2"]
            .map(|path| status(&service, get(path)));
        assert_eq!(seen, [200, 200, 200, 503, 503, 503, 404]);
        service.set_ledger(
            Ledger::new(Default::default(), crate::ledger::Columns { offsets: vec![0], ..Default::default() })
                .expect("empty"),
        );
        assert_eq!((status(&service, get("/readyz")), status(&service, get("/v1/users/a/balance"))), (200, 404));
    }

    #[test]
    fn the_declared_length_comes_before_everything() {
        let service = Service::new();
        let long = Request { method: "POST", path: "/nowhere", query: "", content_length: BODY_MAX_BYTES + 1 };
        assert_eq!(status(&service, long), 413);
        assert_eq!(status(&service, Request { content_length: BODY_MAX_BYTES, ..long }), 404);
    }

    #[test]
    fn a_large_fib_is_not_computed_on_the_worker() {
        let service = Service::new();
        let mut scratch = Scratch::default();
        let large = Request { query: "n=45", ..get("/fib") };
        assert_eq!(service.answer(large, &mut scratch), Reply::SlowFib(45));
        let small = Request { query: "n=10", ..get("/fib") };
        assert_eq!(service.answer(small, &mut scratch), Reply::Now(Head::OK));
        assert_eq!(scratch.body(), br#"{"n":10,"fib":55}"#);
        assert_eq!(service.slow_fib(10, 55, &mut scratch), Head::OK);
        assert_eq!(scratch.body(), br#"{"n":10,"fib":55}"#);
    }
}
