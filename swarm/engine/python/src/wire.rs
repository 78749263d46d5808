//! The schedule's plan and what it tells, as JSON: `swarm/engine_plan.py` is the other side.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twinload_engine_core::arrival::Spacing;
use twinload_engine_core::control::{Told, Vitals};
use twinload_engine_core::hdr::Sparse;
use twinload_engine_core::parse::Limits;
use twinload_engine_core::plan::{Endpoint, IoKind, Plan, Target};
use twinload_engine_core::stage::{Kind, Load, Stage};
use twinload_engine_core::tally::SecondLine;
use twinload_engine_core::template::{Columns, RequestSpec};
use twinload_engine_core::tls::{TlsConfig, TlsError, TlsOptions, TlsTarget};

/// A plan that came as JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct WirePlan {
    targets: Vec<WireTarget>,
    endpoints: Vec<WireEndpoint>,
    stages: Vec<WireStage>,
    spacing: WireSpacing,
    think_s: f64,
    max_connections: u32,
    open_ahead: u32,
    max_pending: u32,
    queue_limit_s: f64,
    timeout_s: f64,
    check_ratio: f64,
    coalesce_us: u32,
    io: WireIo,
    threads: u32,
    seed: u64,
    ids: u64,
}

#[derive(Debug, Deserialize)]
struct WireTarget {
    address: SocketAddr,
    host: String,
    tls: Option<WireTls>,
}

#[derive(Debug, Deserialize)]
struct WireTls {
    server_name: String,
    ca_pem: Option<String>,
    cert_pem: Option<String>,
    key_pem: Option<String>,
    verify: bool,
}

#[derive(Debug, Deserialize)]
struct WireEndpoint {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    targets: Vec<u16>,
    weight: u64,
    expect_status: Option<u16>,
    expect_headers: Vec<(String, String)>,
    bodies: Option<Arc<[u64]>>,
}

#[derive(Debug, Deserialize)]
struct WireStage {
    id: u32,
    kind: WireKind,
    rate_rps: Option<f64>,
    users: Option<u32>,
    ramp_s: f64,
    warmup_s: f64,
    measure_s: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    Probe,
    Measure,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireSpacing {
    Poisson,
    Constant,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireIo {
    Auto,
    Epoll,
    IoUring,
}

impl WirePlan {
    /// Returns the plan for a pool's columns and weights; says what is wrong with a stage.
    pub(crate) fn plan(self, columns: Columns, user_weights: Vec<u64>) -> Result<Plan, String> {
        let stages = self.stages.into_iter().map(WireStage::stage).collect::<Result<_, _>>()?;
        Ok(Plan {
            targets: self.targets.into_iter().map(WireTarget::target).collect::<Result<_, _>>()?,
            endpoints: self.endpoints.into_iter().map(WireEndpoint::endpoint).collect(),
            columns,
            user_weights,
            stages,
            spacing: match self.spacing {
                WireSpacing::Poisson => Spacing::Poisson,
                WireSpacing::Constant => Spacing::Constant,
            },
            think_s: self.think_s,
            max_connections: self.max_connections,
            open_ahead: self.open_ahead,
            max_pending: self.max_pending,
            queue_limit_s: self.queue_limit_s,
            timeout_s: self.timeout_s,
            check_ratio: self.check_ratio,
            coalesce_us: self.coalesce_us,
            io: match self.io {
                WireIo::Auto => IoKind::Auto,
                WireIo::Epoll => IoKind::Epoll,
                WireIo::IoUring => IoKind::Uring,
            },
            limits: Limits::default(),
            threads: self.threads,
            seed: self.seed,
            ids: self.ids,
        })
    }
}

impl WireTarget {
    fn target(self) -> Result<Target, String> {
        let Self { address, host, tls } = self;
        let tls = tls.map(WireTls::target).transpose().map_err(|fault| format!("{address}: {fault}"))?;
        Ok(Target { address, host, tls })
    }
}

impl WireTls {
    fn target(self) -> Result<TlsTarget, TlsError> {
        let Self { server_name, ca_pem, cert_pem, key_pem, verify } = self;
        let (ca_pem, client_cert_pem, client_key_pem) =
            (ca_pem.map(String::into_bytes), cert_pem.map(String::into_bytes), key_pem.map(String::into_bytes));
        let config = TlsConfig::new(&TlsOptions { ca_pem, client_cert_pem, client_key_pem, verify })?;
        Ok(TlsTarget { config, server_name })
    }
}

impl WireEndpoint {
    fn endpoint(self) -> Endpoint {
        let Self { method, path, headers, body, targets, weight, expect_status, expect_headers, bodies } = self;
        let request = RequestSpec { method, path, headers, body };
        Endpoint { request, targets, weight, expect_status, expect_headers, bodies }
    }
}

impl WireStage {
    fn stage(self) -> Result<Stage, String> {
        let load = match (self.rate_rps, self.users) {
            (Some(rate_rps), None) => Load::Rate(rate_rps),
            (None, Some(users)) => Load::Users(users),
            _ => return Err(format!("stage {}: give rate_rps or users, one of the two", self.id)),
        };
        let kind = match self.kind {
            WireKind::Probe => Kind::Probe,
            WireKind::Measure => Kind::Measure,
        };
        let Self { id, ramp_s, warmup_s, measure_s, .. } = self;
        Ok(Stage { id, kind, load, ramp_s, warmup_s, measure_s })
    }
}

/// What one thread told, to be written as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct WireTold {
    through: u64,
    busy: u64,
    waiting: u64,
    tls_fault: Option<String>,
    seconds: Vec<WireSecond>,
    lines: Vec<WireLine>,
}

/// A thread's sums as they stood when all below `second` was told.
#[derive(Debug, Serialize)]
struct WireSecond {
    second: u64,
    cpu_ns: u64,
    opened: u64,
    closed: u64,
    refused: u64,
}

#[derive(Debug, Serialize)]
struct WireLine {
    second: u64,
    stage: u32,
    endpoint: u16,
    phase: &'static str,
    offered: u64,
    sent: u64,
    dropped: u64,
    checked: u64,
    backlog_max: u64,
    send_lag: Sparse,
    status: Vec<WireStatus>,
}

#[derive(Debug, Serialize)]
struct WireStatus {
    class: String,
    done: u64,
    failed: BTreeMap<String, u64>,
    service: Sparse,
    latency: Sparse,
    bytes: u64,
}

impl From<Told> for WireTold {
    fn from(told: Told) -> Self {
        let seconds = told.seconds.into_iter().map(|(second, vitals)| {
            let Vitals { cpu_ns, opened, closed, refused, .. } = vitals;
            WireSecond { second, cpu_ns, opened, closed, refused }
        });
        Self {
            through: told.through,
            busy: told.vitals.busy,
            waiting: told.vitals.waiting,
            tls_fault: told.tls_fault,
            seconds: seconds.collect(),
            lines: told.lines.into_iter().map(WireLine::from).collect(),
        }
    }
}

impl From<SecondLine> for WireLine {
    fn from(line: SecondLine) -> Self {
        let status = line.status.into_iter().map(|one| WireStatus {
            class: one.name(),
            done: one.done,
            failed: one.failed.into_iter().map(|(cause, count)| (cause.to_string(), count)).collect(),
            service: one.service,
            latency: one.latency,
            bytes: one.bytes,
        });
        Self {
            second: line.key.second,
            stage: line.key.stage,
            endpoint: line.key.endpoint,
            phase: line.key.phase.name(),
            offered: line.offered,
            sent: line.sent,
            dropped: line.dropped,
            checked: line.checked,
            backlog_max: line.backlog_max,
            send_lag: line.send_lag,
            status: status.collect(),
        }
    }
}
