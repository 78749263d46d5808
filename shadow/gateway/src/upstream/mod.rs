//! The services behind the gateway: which instance is asked, over which connection, and what a failure means.
//!
//! | what happened | method safe, body empty | anything else |
//! |---|---|---|
//! | no connection to an instance | the next instance | the next instance |
//! | nothing of the request was written | again | again |
//! | a kept connection broke before any answer | once again, on a fresh connection | 502 |
//! | a fresh connection broke, or the answer cannot be read | 502 | 502 |
//! | no head of an answer in time | 504 | 504 |

pub mod health;
pub mod instance;
pub mod pool;

use std::error::Error as _;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Uri};

use crate::body::{Body, BodyError};
pub use instance::{Instance, Side};
pub use pool::{Lease, Pools};

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// None came in time.
    Timeout,
    /// The connection broke.
    Reset,
    /// No instance took a connection.
    Refused,
    /// What came is not HTTP/1.1.
    Invalid,
}

impl Failure {
    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }
}

/// Why a request ended without an answer of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskError {
    /// The service's fault.
    Service(Failure),
    /// The caller's body is longer than allowed.
    BodyTooLarge,
    /// The caller's body broke off.
    CallerGone,
    /// The caller's body did not come in time.
    CallerSlow,
}

/// How often a request is put on another connection when nothing of it was written.
const UNWRITTEN: usize = 8;

/// What a request says beside its body; enough to ask again.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Uri,
    /// The headers, without those that a side sets.
    pub headers: HeaderMap,
}

impl Head {
    /// The request for a side, with its Host and headers.
    #[must_use]
    pub fn request(self, side: &Side, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        if let Some(host) = &side.host {
            headers.insert(HOST, host.clone());
        } else if !headers.contains_key(HOST) {
            headers.insert(HOST, HeaderValue::from_static(""));
        }
        for (name, value) in &side.headers {
            headers.insert(name, value.clone());
        }
        request
    }
}

/// What is told while a side is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The instance is asked now.
    Asked,
    /// It failed.
    Failed,
}

/// A request without an answer.
#[derive(Debug)]
pub struct Unanswered {
    /// Why.
    pub error: AskError,
    /// The request itself, when nothing of it was written anywhere.
    pub unsent: Option<Box<Request<Body>>>,
}

/// Asks one of the instances of `side` that serve `route`. `again` is given when the request may be asked twice.
///
/// # Errors
/// [`AskError`] when there is no answer; the table above says what was tried before.
pub async fn ask(
    pools: &Pools,
    side: &Side,
    route: Option<usize>,
    request: Request<Body>,
    again: Option<&Head>,
) -> Result<(Response<Incoming>, Lease), AskError> {
    ask_telling(pools, side, route, request, again, |_, _| {}).await.map_err(|unanswered| unanswered.error)
}

/// The same; `tell` is told which instance is asked and which failed.
///
/// # Errors
/// [`Unanswered`] gives back what was not sent.
pub async fn ask_telling(
    pools: &Pools,
    side: &Side,
    route: Option<usize>,
    mut request: Request<Body>,
    again: Option<&Head>,
    mut tell: impl FnMut(&Arc<Instance>, Told),
) -> Result<(Response<Incoming>, Lease), Unanswered> {
    let (mut refused, mut unwritten, mut repeated) = (Vec::new(), 0, false);
    loop {
        let Some(instance) = side.choose(route, &refused) else {
            let error = AskError::Service(Failure::Refused);
            return Err(Unanswered { error, unsent: (!repeated).then(|| Box::new(request)) });
        };
        tell(&instance, Told::Asked);
        let mut lease = match pools.lease(instance, repeated || unwritten > 1).await {
            Ok(lease) => lease,
            Err(instance) => {
                tell(&instance, Told::Failed);
                refused.push(instance.id);
                continue;
            }
        };
        let mut fault = match lease.sender.try_send_request(request).await {
            Ok(answer) => return Ok((answer, lease)),
            Err(fault) => fault,
        };
        match (fault.take_message(), again) {
            (Some(back), _) if unwritten < UNWRITTEN => {
                unwritten += 1;
                request = back;
            }
            (None, Some(head)) if lease.kept && !repeated && is_broken(fault.error()) => {
                repeated = true;
                request = head.clone().request(side, Body::empty());
            }
            _ => {
                let error = meaning(fault.error());
                if matches!(error, AskError::Service(_)) {
                    tell(lease.instance(), Told::Failed);
                }
                return Err(Unanswered { error, unsent: None });
            }
        }
    }
}

/// Whether the connection ended, as one does that the other side closed while it was idle.
fn is_broken(fault: &hyper::Error) -> bool {
    !fault.is_parse() && !fault.is_user()
}

fn meaning(fault: &hyper::Error) -> AskError {
    let body = fault.source().and_then(|source| source.downcast_ref::<BodyError>());
    match body {
        Some(BodyError::TooLarge) => AskError::BodyTooLarge,
        Some(BodyError::Source(_)) => AskError::CallerGone,
        None if fault.is_parse() => AskError::Service(Failure::Invalid),
        None => AskError::Service(Failure::Reset),
    }
}
