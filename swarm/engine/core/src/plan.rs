//! What an engine is given: targets, endpoints, users, stages and limits.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::arrival::Spacing;
use crate::parse::Limits;
use crate::stage::Stage;
use crate::template::{Columns, RequestSpec};
use crate::tls::TlsTarget;

/// One instance that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What the Host header says.
    pub host: String,
    /// TLS, when it is to be spoken.
    pub tls: Option<TlsTarget>,
}

/// One entry of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its request.
    pub request: RequestSpec,
    /// The targets that serve it, by their place; taken in turn.
    pub targets: Vec<u16>,
    /// How often it is drawn.
    pub weight: u64,
    /// The status of a good answer; None takes every answer for good.
    pub expect_status: Option<u16>,
    /// Header lines that every good answer has, names in lower case, with exactly these values; judged after the status.
    pub expect_headers: Vec<(String, String)>,
    /// [`crate::parse::body_hash`] of the right body for every pool user, 0 where it is not known; judged last.
    pub bodies: Option<Arc<[u64]>>,
}

impl Endpoint {
    /// Returns an endpoint of weight 1 that takes every answer with status 200 for good.
    #[must_use]
    pub fn new(request: RequestSpec, targets: Vec<u16>) -> Self {
        Self { request, targets, weight: 1, expect_status: Some(200), expect_headers: Vec::new(), bodies: None }
    }
}

/// Everything that a run needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The targets.
    pub targets: Vec<Target>,
    /// The workload.
    pub endpoints: Vec<Endpoint>,
    /// The pool: what the templates are filled from.
    pub columns: Columns,
    /// Activity weight of every pool user.
    pub user_weights: Vec<u64>,
    /// The stages, end to end.
    pub stages: Vec<Stage>,
    /// How open-loop arrivals are spaced.
    pub spacing: Spacing,
    /// The pause of a closed-loop user between an answer and its next request.
    pub think_s: f64,
    /// Connections per target, all threads together.
    pub max_connections: u32,
    /// Connections per target, all threads together, that are opened before the first stage begins, so that no measured
    /// second has to; one that is refused is tried again until then. 0 for none.
    pub open_ahead: u32,
    /// How many arrivals per target may wait for a connection, all threads together.
    pub max_pending: u32,
    /// How long an arrival may wait before it is dropped.
    pub queue_limit_s: f64,
    /// How long connecting may take, and how long an answer.
    pub timeout_s: f64,
    /// Of the requests whose right body is known, the share (0 to 1) that is compared with it, drawn at random.
    pub check_ratio: f64,
    /// Limits of the parser.
    pub limits: Limits,
    /// How many threads send.
    pub threads: u32,
    /// All that is random follows from this.
    pub seed: u64,
    /// What the ids of its requests begin with, where a template asks for them; another for each run, or they repeat.
    pub ids: u64,
    /// Receive coalescing: how many µs answers may lie in the kernel before the engine reads them, so that one wake-up
    /// serves many; 0 reads each at once. Above 0 an answer's end is the kernel's receive time, so that the wait is not
    /// counted as the server's. A closed-loop user without think time is slowed by up to this; disclose it.
    pub coalesce_us: u32,
    /// Which interface of the kernel carries the connections.
    pub io: IoKind,
}

/// An interface of the kernel to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoKind {
    /// epoll, for io_uring measured no better beyond noise. Requests per CPU-second of io_uring over epoll on loopback
    /// (Linux 6.18, two shared cores, closed loop, medians of two runs of 6 and 7 interleaved rounds): 64 connections
    /// 0.98 and 1.01 saturated, 0.90 and 1.01 with a server that is the limit; 1,000 connections 1.12 and 1.05, 1.00 and
    /// 0.92. Nearly all of the time is TCP's in both. It has no kernel receive times either, which gain far more with a
    /// server that is the limit ([`Plan::coalesce_us`]).
    #[default]
    Auto,
    /// epoll.
    Epoll,
    /// io_uring, which may be tried for a thousand busy connections and more; refused where the kernel (before Linux 6.1) or a container
    /// does not offer it.
    Uring,
}

impl Plan {
    /// Returns a plan for one endpoint with expected status 200, one thread and 64 connections per target.
    #[must_use]
    pub fn simple(targets: Vec<SocketAddr>, request: RequestSpec, columns: Columns, stages: Vec<Stage>) -> Self {
        let all = (0..).zip(&targets).map(|(at, _)| at).collect();
        Self {
            targets: targets
                .into_iter()
                .map(|address| Target { address, host: address.to_string(), tls: None })
                .collect(),
            endpoints: vec![Endpoint::new(request, all)],
            user_weights: vec![1; columns.users().unwrap_or(1)],
            columns,
            stages,
            spacing: Spacing::Constant,
            think_s: 0.0,
            max_connections: 64,
            open_ahead: 0,
            max_pending: 1_000_000,
            queue_limit_s: 10.0,
            timeout_s: 10.0,
            check_ratio: 0.0,
            limits: Limits::default(),
            threads: 1,
            seed: 1,
            ids: 1,
            coalesce_us: 0,
            io: IoKind::Auto,
        }
    }
}

/// A plan that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A stage cannot be sent.
    #[error(transparent)]
    Stage(#[from] crate::stage::StageError),
    /// A request cannot be sent.
    #[error("endpoint {endpoint}: {source}")]
    Template {
        /// The endpoint's place.
        endpoint: usize,
        /// What is wrong.
        source: crate::template::TemplateError,
    },
    /// Nothing can be drawn.
    #[error("{what}: {source}")]
    Weights {
        /// Users or endpoints.
        what: &'static str,
        /// What is wrong.
        source: crate::alias::WeightsError,
    },
    /// Columns and weights are not of the same users.
    #[error("the pool has {weights} weights, but its columns have {columns:?} values: give one of each per user")]
    Users {
        /// How many weights there are.
        weights: usize,
        /// How many values every column has; None when they differ.
        columns: Option<usize>,
    },
    /// The known bodies are not of the pool's users.
    #[error("endpoint {endpoint}: {hashes} known bodies for {users} users: give one hash per user, 0 for unknown")]
    Bodies {
        /// The endpoint's place.
        endpoint: usize,
        /// How many hashes there are.
        hashes: usize,
        /// How many users there are.
        users: usize,
    },
    /// An endpoint has no target, or one that is not there.
    #[error("endpoint {endpoint}: it needs at least one target, and each must be below {targets}")]
    Targets {
        /// The endpoint's place.
        endpoint: usize,
        /// How many targets there are.
        targets: usize,
    },
    /// A target's certificate cannot be held against its name.
    #[error("target {target}: {source}")]
    ServerName {
        /// The target's place.
        target: usize,
        /// What is wrong.
        source: crate::tls::TlsError,
    },
    /// A number is outside its range.
    #[error("{name} = {value} cannot be: give a number {range}")]
    Number {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What would be right.
        range: &'static str,
    },
    /// io_uring was asked for and cannot be had.
    #[error("io = uring cannot be: {0}: give auto or epoll")]
    Uring(std::io::Error),
    /// The machine refused a thread or a descriptor.
    #[error("the engine could not start: {0}")]
    Machine(#[from] std::io::Error),
}
