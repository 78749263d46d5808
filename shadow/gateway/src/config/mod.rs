//! What the gateway is told at start: one JSON file, every fault told at once.

mod canary;
mod reader;
mod sides;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::header::HeaderName;
use serde_json::Value;

use crate::mode::Mode;
use crate::route::{Route, Template, UNMATCHED};
pub use canary::{BreakerConfig, BudgetConfig, CanaryConfig, RetryConfig, UserConfig};
use reader::Section;
pub use sides::{InstanceConfig, Serves, SideConfig};

/// Everything the program needs, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where callers come in.
    pub listen: SocketAddr,
    /// Where operators come in.
    pub admin: SocketAddr,
    /// The file of the operators' token.
    pub token_file: PathBuf,
    /// The mode at start.
    pub mode: Mode,
    /// Where the mode is kept over a restart.
    pub state_file: Option<PathBuf>,
    /// Threads that serve callers; none: one per core that the process may use.
    pub workers: Option<usize>,
    /// The side that answers.
    pub baseline: SideConfig,
    /// The rewrite.
    pub candidate: Option<SideConfig>,
    /// A second baseline, for noise.
    pub second: Option<SideConfig>,
    /// The routes, first match wins.
    pub routes: Vec<Route>,
    /// What callers may ask of it.
    pub limits: Limits,
    /// What the copies may cost.
    pub mirror: MirrorConfig,
    /// What is compared and written.
    pub compare: CompareConfig,
    /// How instances are watched.
    pub health: HealthConfig,
    /// How the gray release works; none: there is no mode `canary`.
    pub canary: Option<CanaryConfig>,
}

/// Limits on the callers' side.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Request line and headers together.
    pub header_bytes: usize,
    /// A request's body.
    pub body_bytes: u64,
    /// From the request to the head of its answer, both hops; and for a head to arrive.
    pub timeout: Duration,
    /// A connection without a byte, an answer that stands still.
    pub idle: Duration,
    /// Callers' connections at once.
    pub connections: usize,
}

/// Limits of the mirror.
#[derive(Debug, Clone, Copy)]
pub struct MirrorConfig {
    /// Copies that may wait.
    pub queue: usize,
    /// Bytes that waiting copies may hold.
    pub queue_bytes: usize,
    /// Copies under way at once.
    pub concurrency: usize,
    /// For one answer of the candidate.
    pub timeout: Duration,
    /// A body on either side that is still compared.
    pub body_bytes: usize,
    /// How often a raced pair is asked anew.
    pub retries: u32,
    /// The share of safe requests that are copied, 0 to 1.
    pub share: f64,
}

/// What decides, and where pairs go.
#[derive(Debug, Clone)]
pub struct CompareConfig {
    /// The headers that count.
    pub headers: Vec<HeaderName>,
    /// The header whose difference means that the pair raced.
    pub raced_header: Option<HeaderName>,
    /// The headers whose values are not written.
    pub redact_headers: Vec<HeaderName>,
    /// Where pairs that differ are written; none: they are only counted.
    pub pairs_file: Option<PathBuf>,
    /// Pairs written of one route and kind.
    pub pairs_per_kind: u64,
}

/// Active health checks.
#[derive(Debug, Clone, Copy)]
pub struct HealthConfig {
    /// Between two checks of an instance.
    pub interval: Duration,
    /// For one check.
    pub timeout: Duration,
    /// Failures in a row that make an instance unhealthy.
    pub fails: u32,
    /// Passes in a row that make it healthy again.
    pub passes: u32,
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`Faults`] holds all that is wrong, each with the key's path, the value and what would be right.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let value: Value =
            serde_json::from_str(text).map_err(|fault| Faults(vec![format!("this is not JSON: {fault}")]))?;
        let mut faults = Vec::new();
        match Self::read(&value, &mut faults) {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(Faults(faults)),
        }
    }

    fn read(value: &Value, faults: &mut Vec<String>) -> Option<Self> {
        let mut top = Section::new("", value, faults)?;
        let (listen, admin) = (top.address("listen"), top.address("admin"));
        if let Some(admin) = admin.filter(|admin| !admin.ip().is_loopback()) {
            top.fault("admin", &format!("{admin} is not loopback: operators come in from this machine alone"));
        }
        let token_file = top.text("token_file");
        let mode = mode(&mut top);
        let state_file = top.optional_text("state_file").map(PathBuf::from);
        let workers = Some(top.count("workers", 0..=256, Some(0))).filter(|count| *count > 0);
        let routes = routes(&mut top);
        let canary = canary::read(&mut top, &routes);
        let [baseline, candidate, second] = sides::read(&mut top, &routes);
        if candidate.is_none() && matches!(mode, Some(Mode::Shadow | Mode::Canary | Mode::Full)) {
            top.fault("mode", "shadow, canary and full need sides.candidate");
        }
        if mode == Some(Mode::Canary) && value.get("canary").is_none_or(Value::is_null) {
            top.fault("mode", "canary needs the section canary");
        }
        let (limits, mirror) = (limits(&mut top), mirror(&mut top));
        let (compare, health) = (compare(&mut top), health(&mut top));
        top.end();
        Some(Self {
            listen: listen?,
            admin: admin?,
            token_file: PathBuf::from(token_file?),
            mode: mode?,
            state_file,
            workers: workers.and_then(|count| usize::try_from(count).ok()),
            baseline: baseline?,
            candidate,
            second,
            routes,
            limits: limits?,
            mirror: mirror?,
            compare: compare?,
            health: health?,
            canary,
        })
    }
}

fn mode(top: &mut Section<'_>) -> Option<Mode> {
    let name = top.text("mode")?;
    let found = Mode::from_name(name);
    if found.is_none() {
        top.fault("mode", &format!("{name:?} is none of off, shadow, canary, full"));
    }
    found
}

fn routes(top: &mut Section<'_>) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut names = HashSet::<String>::new();
    for (number, value) in list(top, "routes").into_iter().enumerate() {
        let path = top.at(&format!("routes[{number}]"));
        let Some(mut section) = Section::new(&path, value, top.faults()) else { continue };
        let (name, method) = (section.text("name"), section.text("method"));
        let (template, safe) = (section.text("path"), section.flag("safe"));
        if let Some(name) = name.filter(|name| *name == UNMATCHED || *name == "*" || !names.insert((*name).to_owned()))
        {
            section.fault("name", &format!("{name:?} is taken; every route needs a name of its own"));
        }
        if let Some(method) = method.filter(|method| !method.bytes().all(|byte| byte.is_ascii_uppercase())) {
            section.fault("method", &format!("{method:?} is not a method in capitals"));
        }
        let unsafe_methods = ["POST", "PUT", "PATCH", "DELETE"];
        if let (Some(method), Some(true)) = (method.filter(|method| unsafe_methods.contains(method)), safe) {
            section.fault("safe", &format!("{method} is not safe: it would be asked twice"));
        }
        let template = template.and_then(|text| match Template::parse(text) {
            Ok(template) => Some(template),
            Err(fault) => {
                section.fault("path", &fault.to_string());
                None
            }
        });
        if let (Some(name), Some(method), Some(template), Some(safe)) = (name, method, template, safe) {
            routes.push(Route { name: name.to_owned(), method: method.to_owned(), template, safe });
        }
        section.end();
    }
    routes
}

fn limits(top: &mut Section<'_>) -> Option<Limits> {
    let mut section = part_of(top, "limits")?;
    let limits = Limits {
        header_bytes: size(section.count("header_bytes", 1_024..=1 << 20, None)),
        body_bytes: section.count("body_bytes", 0..=1 << 40, None),
        timeout: section.seconds("timeout_s"),
        idle: section.seconds("idle_s"),
        connections: size(section.count("connections", 1..=1_000_000, None)),
    };
    section.end();
    Some(limits)
}

fn mirror(top: &mut Section<'_>) -> Option<MirrorConfig> {
    let mut section = part_of(top, "mirror")?;
    let mirror = MirrorConfig {
        queue: size(section.count("queue", 1..=1_000_000, None)),
        queue_bytes: size(section.count("queue_bytes", 1_024..=1 << 36, Some(64 << 20))),
        concurrency: size(section.count("concurrency", 1..=10_000, None)),
        timeout: section.seconds("timeout_s"),
        body_bytes: size(section.count("body_bytes", 0..=1 << 30, None)),
        retries: u32::try_from(section.count("retries", 0..=100, None)).unwrap_or(0),
        share: section.number("share", 0.0..=1.0),
    };
    section.end();
    Some(mirror)
}

fn compare(top: &mut Section<'_>) -> Option<CompareConfig> {
    let mut section = part_of(top, "compare")?;
    let raced = section.optional_text("raced_header");
    let compare = CompareConfig {
        headers: names(&mut section, "headers"),
        raced_header: raced.and_then(|text| name(&mut section, "raced_header", text)),
        redact_headers: names(&mut section, "redact_headers"),
        pairs_file: section.optional_text("pairs_file").map(PathBuf::from),
        pairs_per_kind: section.count("pairs_per_kind", 0..=1_000_000, None),
    };
    section.end();
    Some(compare)
}

fn health(top: &mut Section<'_>) -> Option<HealthConfig> {
    let mut section = part_of(top, "health")?;
    let health = HealthConfig {
        interval: section.seconds("interval_s"),
        timeout: section.seconds("timeout_s"),
        fails: u32::try_from(section.count("fails", 1..=1_000, None)).unwrap_or(1),
        passes: u32::try_from(section.count("passes", 1..=1_000, None)).unwrap_or(1),
    };
    section.end();
    Some(health)
}

fn part_of<'a>(whole: &'a mut Section<'_>, key: &'static str) -> Option<Section<'a>> {
    let value = whole.required(key)?;
    let path = whole.at(key);
    Section::new(&path, value, whole.faults())
}

fn list<'a>(section: &mut Section<'a>, key: &'static str) -> Vec<&'a Value> {
    let Some(value) = section.required(key) else { return Vec::new() };
    let Some(list) = value.as_array() else {
        section.fault(key, &format!("{value} is not a list"));
        return Vec::new();
    };
    list.iter().collect()
}

fn names(section: &mut Section<'_>, key: &'static str) -> Vec<HeaderName> {
    section.texts(key).into_iter().filter_map(|text| name(section, key, text)).collect()
}

fn name(section: &mut Section<'_>, key: &'static str, text: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok();
    if name.is_none() {
        section.fault(key, &format!("{text:?} is no header's name"));
    }
    name
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
