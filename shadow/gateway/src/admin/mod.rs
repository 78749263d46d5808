//! The operators' side, on loopback: status, mode, the gray release's share, events, flush, metrics.
//!
//! | request | token | answer |
//! |---|---|---|
//! | `GET /healthz` | no | 200 as soon as the program listens |
//! | `GET /metrics` | no | Prometheus text |
//! | `GET /status` | yes | JSON |
//! | `POST /mode` `{"mode": "shadow"}` | yes | the status, after the switch; 409 without what the mode needs |
//! | `POST /canary` `{"share": 0.05}` | yes | the status; above 0 a latch ends; 412 when overtaken by `back` |
//! | `POST /operator` `{"do": "back", "why": "…"}` | yes | the status; `step`, `hold`, `resume` are only events |
//! | `GET /events?after=N` | yes | what happened after event N |
//! | `POST /flush` | yes | the status, when no copy is pending and the coverage is written |

mod control;
mod orders;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::body::Body;
use crate::clock::monotonic_ns;
use crate::coverage::Coverage;
use crate::log;
use crate::problem::Problem;
use crate::state::Keeper;
use crate::status::{Shown, status, text};
use crate::token::Token;
use orders::Refusal;

const BODY_BYTES: usize = 4_096;
const THERE_IS: &str = "There is /status, /mode, /canary, /operator, /events, /flush, /metrics and /healthz.";
const BREATH: Duration = Duration::from_millis(50);

/// What operators can see and do.
#[derive(Debug)]
pub struct Admin {
    /// What they see.
    pub shown: Shown,
    /// What they must know.
    pub token: Token,
    /// The coverage so far.
    pub coverage: Mutex<Option<Coverage>>,
    /// What outlives a restart.
    pub keeper: Keeper,
    /// The number of the last event by which all users were taken back; 0 when this program knows of none.
    pub back: AtomicU64,
}

impl Admin {
    /// Serves operators for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _address)) => drop(tokio::spawn(self.clone().connection(stream))),
                Err(_no_descriptor) => tokio::time::sleep(BREATH).await,
            }
        }
    }

    /// Writes what was compared since the last time.
    pub fn write_coverage(&self) {
        let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = coverage.as_mut() else { return };
        let names: Vec<&str> = self.shown.names.iter().map(String::as_str).collect();
        if let Err(fault) = file.write(&self.shown.proxy.metrics, &names, monotonic_ns()) {
            log::warn("coverage cannot be written; it ends here", &json!({"fault": fault.to_string()}));
            *coverage = None;
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(|request| {
            let admin = self.clone();
            async move { Ok::<_, Infallible>(admin.answer(request).await) }
        });
        // A broken connection is the operator's to see.
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let borne = self.token.is_borne_by(request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes));
        match (request.method(), path.as_str()) {
            (&Method::GET, "/healthz") => document("application/json", "{\"status\":\"ok\"}".to_owned()),
            (&Method::GET, "/metrics") => document("text/plain; version=0.0.4", text(&self.shown)),
            (_, "/status" | "/mode" | "/canary" | "/operator" | "/events" | "/flush") if !borne => unauthorized(),
            (&Method::GET, "/status") => self.status(),
            (&Method::GET, "/events") => match orders::after(request.uri().query()) {
                Ok(after) => document("application/json", self.shown.events.after(after).to_string()),
                Err(refusal) => refused(refusal),
            },
            (&Method::POST, "/mode" | "/canary" | "/operator" | "/flush") => {
                match self.obey(&path, request.into_body()).await {
                    Ok(()) => self.status(),
                    Err(refusal) => refused(refusal),
                }
            }
            (_, "/mode" | "/canary" | "/operator" | "/flush") => not_allowed("POST"),
            (_, "/status" | "/events" | "/metrics" | "/healthz") => not_allowed("GET"),
            _ => refused((StatusCode::NOT_FOUND, THERE_IS)),
        }
    }

    async fn obey(&self, path: &str, body: Incoming) -> Result<(), Refusal> {
        let body = whole(body).await.unwrap_or_default();
        match path {
            "/mode" => self.switch(orders::mode(&body)?).await,
            "/canary" => self.share(orders::share(&body)?).await,
            "/operator" => {
                let (order, why) = orders::order(&body)?;
                self.order(order, &why).await
            }
            _ => {
                if let Some(mirror) = &self.shown.proxy.mirror {
                    mirror.flush().await;
                }
                self.write_coverage();
                Ok(())
            }
        }
    }

    fn status(&self) -> Response<Body> {
        document("application/json", status(&self.shown).to_string())
    }
}

async fn whole(mut body: Incoming) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        bytes.extend_from_slice(&data);
        if bytes.len() > BODY_BYTES {
            return None;
        }
    }
    Some(bytes)
}

fn document(kind: &'static str, text: String) -> Response<Body> {
    let mut answer = Response::new(Body::full(Bytes::from(text)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn unauthorized() -> Response<Body> {
    let mut answer = Problem::new(StatusCode::UNAUTHORIZED, "Send the token: Authorization: Bearer TOKEN.").answer();
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn refused((status, detail): Refusal) -> Response<Body> {
    Problem::new(status, detail).answer()
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This resource has another method.").answer();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    answer
}
