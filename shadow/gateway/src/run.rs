//! The whole program: sockets opened, threads started, the drain at a signal.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::Admin;
use crate::canary::{self, Canary};
use crate::compare::Rules;
use crate::config::{Config, SideConfig};
use crate::coverage::{Coverage, beside};
use crate::events::Events;
use crate::log;
use crate::metrics::Metrics;
use crate::mirror::{self, Parts};
use crate::mode::{Mode, Switch};
use crate::pairs::PairFile;
use crate::proxy::Proxy;
use crate::route::UNMATCHED;
use crate::server::{self, Done};
use crate::state::{Keeper, State};
use crate::status::Shown;
use crate::token::Token;
use crate::upstream::{Side, health};

/// Connections that the kernel may hold until they are accepted.
const BACKLOG: u32 = 1_024;
const COVERAGE_EVERY: Duration = Duration::from_secs(1);
/// At the end, for copies that are still pending.
const LAST_COPIES: Duration = Duration::from_secs(5);

/// Runs the gateway until SIGTERM or SIGINT; `ready` is told the address when callers can come in.
///
/// # Errors
/// A socket, a thread or a file cannot be had.
pub async fn run(config: Config, token: Token, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = listen(config.listen).with_context(|| format!("listen: {}", config.listen))?;
    let operators = listen(config.admin).with_context(|| format!("admin: {}", config.admin))?;
    let (address, admin_address) = (listener.local_addr()?, operators.local_addr()?);
    let (admin, instances) = assemble(&config, token)?;
    let (drain, draining) = watch::channel(false);
    let workers = workers(&config, listener, &admin, instances, &draining)?;
    watch_health(&config, &admin.shown);
    tokio::spawn(admin.clone().serve(operators));
    tokio::spawn(cover(admin.clone()));
    tokio::spawn(admin.clone().keep_up());
    tokio::spawn(tick(admin.shown.proxy.clone()));
    let fields = json!({
        "address": address.to_string(), "admin": admin_address.to_string(), "mode": admin.shown.proxy.switch.get().name(),
        "workers": workers.len(),
    });
    log::info("ready", &fields);
    ready(address);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    log::info("draining", &json!({"in_flight": admin.shown.proxy.metrics.in_flight}));
    let _ = drain.send(true);
    for worker in workers {
        let _ended = worker.await;
    }
    if let Some(mirror) = &admin.shown.proxy.mirror
        && tokio::time::timeout(LAST_COPIES, mirror.flush()).await.is_err()
    {
        log::warn("copies were left at the end", &json!({"copies": mirror.pending()}));
    }
    admin.write_coverage();
    admin.keep_now().await;
    log::info("stopped", &json!({}));
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Puts everything together; the mirror's thread is started. The number of instances of all sides is given too.
fn assemble(config: &Config, token: Token) -> anyhow::Result<(Arc<Admin>, usize)> {
    let mut instances = 0;
    let mut side = |name, config_of: &SideConfig| {
        let side = Arc::new(Side::new(name, config_of, config.routes.len(), instances));
        instances += side.instances.len();
        side
    };
    let baseline = side("baseline", &config.baseline);
    let candidate = config.candidate.as_ref().map(|one| side("candidate", one));
    let second = config.second.as_ref().map(|one| side("second", one));
    let names: Arc<[String]> =
        config.routes.iter().map(|route| route.name.clone()).chain([UNMATCHED.to_owned()]).collect();
    let metrics = Arc::new(Metrics::new(config.routes.len()));
    let (pairs, coverage) = files(config, &metrics)?;
    let kept = kept(config)?;
    let events = Arc::<Events>::default();
    let of_canary = kept.and_then(|state| state.canary);
    let canary = config.canary.clone().zip(candidate.clone());
    let canary = canary.map(|(section, candidate)| {
        Arc::new(Canary::new(section, candidate, names.clone(), events.clone(), of_canary))
    });
    let mut mirror = None;
    if let Some(candidate) = &candidate {
        let (inlet, outlet) = mirror::queue(config.mirror, metrics.clone());
        let rules = Rules { headers: config.compare.headers.clone(), raced: config.compare.raced_header.clone() };
        let (baseline, candidate, second) = (baseline.clone(), candidate.clone(), second.clone());
        let (names, pairs, metrics, config) = (names.clone(), pairs.clone(), metrics.clone(), config.mirror);
        let canary = canary.clone();
        mirror::start(Parts {
            outlet,
            baseline,
            candidate,
            second,
            names,
            rules,
            pairs,
            metrics,
            config,
            instances,
            canary,
        })?;
        mirror = Some(inlet);
    }
    let sides = [Some(&baseline), candidate.as_ref(), second.as_ref()].into_iter().flatten().cloned().collect();
    let (routes, limits) = (config.routes.clone(), config.limits);
    let switch = Switch::new(kept.map_or(config.mode, |state| state.mode));
    let proxy = Arc::new(Proxy { routes, baseline, candidate, switch, mirror, metrics, limits, canary });
    let shown = Shown { proxy, sides, names, pairs, events, begun: Instant::now() };
    let keeper = Keeper::new(config.state_file.clone(), kept);
    let coverage = std::sync::Mutex::new(coverage);
    Ok((Arc::new(Admin { shown, token, coverage, keeper, back: AtomicU64::new(0) }), instances))
}

/// What outlived the program before, if the configuration still has what its mode needs.
fn kept(config: &Config) -> anyhow::Result<Option<State>> {
    let Some(path) = &config.state_file else { return Ok(None) };
    let kept = State::kept(path).context("state_file")?;
    let needs = match kept.map(|state| state.mode) {
        Some(Mode::Canary) if config.canary.is_none() => "the section canary",
        Some(Mode::Shadow | Mode::Canary | Mode::Full) if config.candidate.is_none() => "sides.candidate",
        _ => return Ok(kept),
    };
    let mode = kept.map_or("", |state| state.mode.name());
    anyhow::bail!("state_file: {} keeps the mode {mode}, which needs {needs}: give that, or remove it", path.display())
}

fn files(config: &Config, metrics: &Metrics) -> anyhow::Result<(Arc<PairFile>, Option<Coverage>)> {
    let compare = &config.compare;
    let path = compare.pairs_file.as_deref();
    let pairs = PairFile::open(path, compare.redact_headers.clone(), compare.pairs_per_kind)
        .with_context(|| format!("compare.pairs_file: {path:?}"))?;
    let coverage = path.map(|path| Coverage::open(&beside(path), metrics.routes()));
    Ok((Arc::new(pairs), coverage.transpose().context("compare.pairs_file: the coverage beside it")?))
}

fn workers(
    config: &Config,
    listener: TcpListener,
    admin: &Admin,
    instances: usize,
    draining: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<Done>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let listener = listener.into_std()?;
    (0..config.workers.unwrap_or(cores))
        .map(|number| {
            let proxy = admin.shown.proxy.clone();
            Ok(server::start(number, &listener, proxy, instances, draining.clone())?)
        })
        .collect()
}

fn watch_health(config: &Config, shown: &Shown) {
    for side in &shown.sides {
        for instance in &side.instances {
            tokio::spawn(health::watch(side.clone(), instance.clone(), config.health, shown.events.clone()));
        }
    }
}

async fn cover(admin: Arc<Admin>) {
    let mut ticks = tokio::time::interval(COVERAGE_EVERY);
    loop {
        ticks.tick().await;
        admin.write_coverage();
    }
}

/// Lets time pass for the gray release, as long as the mode is that.
async fn tick(proxy: Arc<Proxy>) {
    let Some(canary) = proxy.canary.clone() else { return };
    let mut ticks = tokio::time::interval(canary::TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        if proxy.switch.get() == Mode::Canary {
            canary.tick(now.into_std());
        }
    }
}
