//! The operators' side, on loopback: status, mode, flush, metrics.
//!
//! | request | token | answer |
//! |---|---|---|
//! | `GET /healthz` | no | 200 as soon as the program listens |
//! | `GET /metrics` | no | Prometheus text |
//! | `GET /status` | yes | JSON |
//! | `POST /mode` `{"mode": "shadow"}` | yes | the status, after the switch; 409 without a candidate, 501 for `canary` |
//! | `POST /flush` | yes | the status, when no copy is pending and the coverage is written |

use std::convert::Infallible;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::body::Body;
use crate::clock::monotonic_ns;
use crate::coverage::Coverage;
use crate::log;
use crate::mode::Mode;
use crate::problem::Problem;
use crate::status::{Shown, status, text};
use crate::token::Token;

const BODY_BYTES: usize = 4_096;
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
    /// Where the mode is kept over a restart.
    pub state_file: Option<PathBuf>,
}

type Refusal = (StatusCode, &'static str);

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
            (_, "/status" | "/mode" | "/flush") if !borne => unauthorized(),
            (&Method::GET, "/status") => self.status(),
            (&Method::POST, "/mode") => match self.switch(request.into_body()).await {
                Ok(()) => self.status(),
                Err((status, detail)) => Problem::new(status, detail).answer(),
            },
            (&Method::POST, "/flush") => {
                if let Some(mirror) = &self.shown.proxy.mirror {
                    mirror.flush().await;
                }
                self.write_coverage();
                self.status()
            }
            (_, "/mode" | "/flush") => not_allowed("POST"),
            (_, "/status" | "/metrics" | "/healthz") => not_allowed("GET"),
            _ => {
                Problem::new(StatusCode::NOT_FOUND, "There is /status, /mode, /flush, /metrics and /healthz.").answer()
            }
        }
    }

    fn status(&self) -> Response<Body> {
        document("application/json", status(&self.shown).to_string())
    }

    async fn switch(&self, body: Incoming) -> Result<(), Refusal> {
        let mode = asked_mode(&whole(body).await.unwrap_or_default())?;
        let proxy = &self.shown.proxy;
        if matches!(mode, Mode::Shadow | Mode::Full) && proxy.candidate.is_none() {
            return Err((StatusCode::CONFLICT, "The configuration has no candidate."));
        }
        let before = proxy.switch.get();
        if let Some(path) = &self.state_file {
            keep(path, mode).map_err(|fault| {
                log::warn("the mode cannot be kept", &json!({"fault": fault.to_string()}));
                (StatusCode::INTERNAL_SERVER_ERROR, "The state file cannot be written; the mode stays.")
            })?;
        }
        proxy.switch.set(mode);
        log::info("mode switched", &json!({"from": before.name(), "to": mode.name()}));
        Ok(())
    }
}

fn asked_mode(body: &[u8]) -> Result<Mode, Refusal> {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let name = value.as_ref().and_then(|value| value.get("mode")).and_then(Value::as_str);
    match name.and_then(Mode::from_name) {
        Some(Mode::Canary) => Err((StatusCode::NOT_IMPLEMENTED, "Canary is not built yet; take off, shadow or full.")),
        Some(mode) => Ok(mode),
        None => Err((StatusCode::BAD_REQUEST, "Say {\"mode\": \"off\"}, or shadow, or full.")),
    }
}

/// Puts the mode into a file in one step, so that it holds the old or the new one whatever happens.
fn keep(path: &Path, mode: Mode) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, json!({"mode": mode.name()}).to_string())?;
    std::fs::rename(&part, path)
}

/// The mode that a file keeps; none when there is no file.
///
/// # Errors
/// The file cannot be read or holds no mode.
pub fn kept(path: &Path) -> std::io::Result<Option<Mode>> {
    match std::fs::read(path) {
        Ok(bytes) => match asked_mode(&bytes) {
            Ok(mode) => Ok(Some(mode)),
            Err(_unfit) => Err(std::io::Error::other(format!("{} holds no mode; remove it", path.display()))),
        },
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
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

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This resource has another method.").answer();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_kept_over_a_restart_and_rubbish_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        assert_eq!(kept(&path).expect("no file"), None);
        keep(&path, Mode::Full).expect("it is written");
        assert_eq!(kept(&path).expect("a mode"), Some(Mode::Full));
        std::fs::write(&path, "{}").expect("it is written");
        assert!(kept(&path).is_err());
    }

    #[test]
    fn canary_and_unknown_modes_are_refused() {
        let status = |body: &str| asked_mode(body.as_bytes()).expect_err("refused").0.as_u16();
        assert_eq!([status("{\"mode\":\"canary\"}"), status("{\"mode\":\"on\"}"), status("shadow")], [501, 400, 400]);
    }
}
