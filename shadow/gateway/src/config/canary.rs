//! The section `canary`: who goes to the rewrite, what it may take, when all of them come back.

use std::collections::HashSet;
use std::time::Duration;

use hyper::header::HeaderName;

use super::reader::Section;
use super::{name, part_of};
use crate::route::Route;

/// How the gray release works.
#[derive(Debug, Clone)]
pub struct CanaryConfig {
    /// The share of the users at the start, 0 to 1.
    pub share: f64,
    /// Users that go to the candidate whatever the share is.
    pub whitelist: HashSet<String>,
    /// Where a request tells its user.
    pub user: UserConfig,
    /// Hashed before the id.
    pub salt: String,
    /// The candidate's time.
    pub budget: BudgetConfig,
    /// How many requests may be asked a second time.
    pub retry: RetryConfig,
    /// When all users come back.
    pub breaker: BreakerConfig,
    /// Whether an answer of a JSON media type must be well-formed.
    pub checks_json: bool,
    /// Of the safe requests that the candidate answered, the share that is compared with the baseline.
    pub compare_share: f64,
}

/// Where a request tells its user; the placeholder goes first.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// A placeholder of the matched template.
    pub placeholder: Option<String>,
    /// A header.
    pub header: Option<HeaderName>,
}

/// The candidate's time: `factor` times the baseline's recent p99 of the route, within `min` and `max`.
#[derive(Debug, Clone, Copy)]
pub struct BudgetConfig {
    /// Never less.
    pub min: Duration,
    /// Never more; also what it is before anything is known.
    pub max: Duration,
    /// Times the baseline's p99.
    pub factor: f64,
}

/// The retry budget.
#[derive(Debug, Clone, Copy)]
pub struct RetryConfig {
    /// Tokens that a request pays in.
    pub ratio: f64,
    /// Tokens that are kept at most, and at the start.
    pub burst: u64,
}

/// The breaker.
#[derive(Debug, Clone, Copy)]
pub struct BreakerConfig {
    /// The shortest time that is judged.
    pub window: Duration,
    /// Failures in it that are needed.
    pub failures: u64,
    /// The share of the candidate's requests in it that failed.
    pub ratio: f64,
    /// The candidate's median in baseline's medians.
    pub slow_factor: f64,
    /// The candidate's median beyond the baseline's.
    pub slow_floor: Duration,
    /// Answers of each side that are needed for a median.
    pub slow_samples: u64,
    /// The first time that it stays open.
    pub open: Duration,
    /// Doubled at each opening up to this.
    pub max_open: Duration,
    /// Copies that the candidate must answer well before it closes.
    pub probes: u32,
}

/// Reads the section; absent or null there is none.
pub(super) fn read(top: &mut Section<'_>, routes: &[Route]) -> Option<CanaryConfig> {
    top.optional("canary")?;
    let mut section = part_of(top, "canary")?;
    let share = section.number("share", 0.0..=1.0);
    let whitelist = section.texts("whitelist").into_iter().map(str::to_owned).collect();
    let user = user(&mut section, routes);
    let salt = section.any_text("salt").unwrap_or_default().to_owned();
    let (budget, retry) = (budget(&mut section), retry(&mut section));
    let breaker = breaker(&mut section);
    let checks_json = check(&mut section);
    let compare_share = section.number("compare_share", 0.0..=1.0);
    section.end();
    let (user, budget, retry) = (user?, budget?, retry?);
    Some(CanaryConfig { share, whitelist, user, salt, budget, retry, breaker: breaker?, checks_json, compare_share })
}

fn user(canary: &mut Section<'_>, routes: &[Route]) -> Option<UserConfig> {
    let mut section = part_of(canary, "user")?;
    let placeholder = section.optional_text("placeholder").map(str::to_owned);
    let text = section.optional_text("header");
    let header = text.and_then(|text| name(&mut section, "header", text));
    if placeholder.is_none() && text.is_none() {
        section.fault("placeholder", "there is neither a placeholder nor a header: no request would tell its user");
    }
    if let Some(name) = placeholder.as_ref().filter(|name| !routes.iter().any(|route| route.template.names(name))) {
        section.fault("placeholder", &format!("{name:?} is in no route's path"));
    }
    section.end();
    Some(UserConfig { placeholder, header })
}

fn budget(canary: &mut Section<'_>) -> Option<BudgetConfig> {
    let mut section = part_of(canary, "budget_ms")?;
    let (min, max) = (section.milliseconds("min"), section.milliseconds("max"));
    if max < min {
        section.fault("max", "is less than min");
    }
    let factor = section.number("factor", 1.0..=1_000.0);
    section.end();
    Some(BudgetConfig { min, max, factor })
}

fn retry(canary: &mut Section<'_>) -> Option<RetryConfig> {
    let mut section = part_of(canary, "retry")?;
    let retry = RetryConfig {
        ratio: section.number("ratio", 0.0..=1.0),
        burst: section.count("burst", 0..=1_000_000_000, None),
    };
    section.end();
    Some(retry)
}

fn breaker(canary: &mut Section<'_>) -> Option<BreakerConfig> {
    let mut section = part_of(canary, "breaker")?;
    let breaker = BreakerConfig {
        window: Duration::from_millis(section.count("window_ms", 10..=2_000, None)),
        failures: section.count("failures", 1..=1_000_000, None),
        ratio: section.number("ratio", 0.001..=1.0),
        slow_factor: section.number("slow_factor", 1.0..=1_000.0),
        slow_floor: section.milliseconds("slow_floor_ms"),
        slow_samples: section.count("slow_samples", 1..=1_000_000, None),
        open: section.seconds("open_s"),
        max_open: section.seconds("max_open_s"),
        probes: u32::try_from(section.count("probes", 1..=100_000, None)).unwrap_or(1),
    };
    if breaker.max_open < breaker.open {
        section.fault("max_open_s", "is less than open_s");
    }
    section.end();
    Some(breaker)
}

fn check(canary: &mut Section<'_>) -> bool {
    let text = canary.text("check");
    if let Some(text) = text.filter(|text| !["json", "off"].contains(text)) {
        canary.fault("check", &format!("{text:?} is neither json nor off"));
    }
    text == Some("json")
}
