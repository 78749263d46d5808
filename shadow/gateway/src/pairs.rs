//! Pairs of answers as JSON lines: those that differ, raced to the end, or lack the candidate's answer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use crate::clock::{Moment, utc};
use crate::compare::Difference;
use crate::upstream::Failure;

/// One answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those of one hop.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the body goes on beyond what was kept; such a pair is never compared.
    pub truncated: bool,
    /// From the request to the end of the body.
    pub ms: f64,
    /// Who answered.
    pub instance: Arc<str>,
}

/// Why a pair is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The statuses differ.
    Status,
    /// A header that counts differs.
    Header,
    /// The bodies differ.
    Body,
    /// The candidate gave no answer.
    Unresponsive,
    /// Every repeat raced.
    Raced,
    /// The pair matches, but the second baseline differs from the first: a sample that shows noise.
    Noise,
}

impl Kind {
    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Header => "header",
            Self::Body => "body",
            Self::Unresponsive => "unresponsive",
            Self::Raced => "raced",
            Self::Noise => "noise",
        }
    }
}

impl From<Difference> for Kind {
    fn from(difference: Difference) -> Self {
        match difference {
            Difference::Status => Self::Status,
            Difference::Header => Self::Header,
            Difference::Body => Self::Body,
        }
    }
}

/// One pair to write.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The index of its route.
    pub route: usize,
    /// The route's name.
    pub route_name: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The request's path and query.
    pub target: &'a str,
    /// The request's headers as they were sent to both sides.
    pub request_headers: &'a HeaderMap,
    /// The request's body.
    pub request_body: &'a [u8],
    /// Why it is written.
    pub kind: Kind,
    /// The answer that the caller got, or that of the last repeat.
    pub baseline: &'a Answer,
    /// The candidate's.
    pub candidate: Result<&'a Answer, Failure>,
    /// The second baseline's, when it was asked.
    pub second: Option<&'a Answer>,
}

/// The file of pairs, capped per route and kind.
#[derive(Debug)]
pub struct PairFile {
    file: Option<Mutex<File>>,
    redacted: Vec<HeaderName>,
    per_kind: u64,
    seen: Mutex<BTreeMap<(usize, Kind), u64>>,
}

impl PairFile {
    /// Opens the file to append; without a path pairs are only counted.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: Option<&Path>, redacted: Vec<HeaderName>, per_kind: u64) -> std::io::Result<Self> {
        let file = path.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        Ok(Self { file: file.map(Mutex::new), redacted, per_kind, seen: Mutex::default() })
    }

    /// Writes a pair, unless enough of its route and kind are there.
    ///
    /// # Errors
    /// The line cannot be written; it counts as seen nevertheless.
    pub fn write(&self, pair: &Pair<'_>, moment: Moment) -> std::io::Result<()> {
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let count = seen.entry((pair.route, pair.kind)).or_default();
            *count += 1;
            if *count > self.per_kind {
                return Ok(());
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        let line = format!("{}\n", self.line(pair, moment));
        file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }

    /// How many pairs of a route were not written, by kind.
    #[must_use]
    pub fn not_stored(&self, route: usize) -> Value {
        let kept = if self.file.is_some() { self.per_kind } else { 0 };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of_route = seen.iter().filter(|((index, _), _)| *index == route);
        of_route.map(|((_, kind), count)| (kind.name().to_owned(), json!(count.saturating_sub(kept)))).collect()
    }

    fn line(&self, pair: &Pair<'_>, moment: Moment) -> Value {
        let mut line = json!({
            "utc": utc(moment.unix_ms), "t_ns": moment.t_ns, "route": pair.route_name, "method": pair.method,
            "target": pair.target, "request_headers": self.headers(pair.request_headers), "kind": pair.kind.name(),
            "baseline": self.answer(pair.baseline), "candidate": pair.candidate.ok().map(|answer| self.answer(answer)),
            "second": pair.second.map(|answer| self.answer(answer)),
            "candidate_error": pair.candidate.err().map(Failure::name),
        });
        if !pair.request_body.is_empty() {
            line["request_body"] = text(pair.request_body);
        }
        line
    }

    fn answer(&self, answer: &Answer) -> Value {
        json!({
            "status": answer.status.as_u16(), "headers": self.headers(&answer.headers), "body": text(&answer.body),
            "truncated": answer.truncated, "ms": answer.ms, "instance": *answer.instance,
        })
    }

    fn headers(&self, headers: &HeaderMap) -> Value {
        let value = |name: &HeaderName, value: &[u8]| {
            let shown = if self.redacted.contains(name) { "redacted".into() } else { String::from_utf8_lossy(value) };
            json!([name.as_str(), shown])
        };
        headers.iter().map(|(name, bytes)| value(name, bytes.as_bytes())).collect()
    }
}

/// Bytes as text, or as base64 when they are none.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn answer(body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("secret"));
        headers.append("content-type", HeaderValue::from_static("a/b"));
        Answer {
            status: StatusCode::OK,
            headers,
            body: body.to_vec(),
            truncated: false,
            ms: 1.5,
            instance: "go-1".into(),
        }
    }

    fn pair<'a>(
        kind: Kind,
        headers: &'a HeaderMap,
        baseline: &'a Answer,
        candidate: Result<&'a Answer, Failure>,
    ) -> Pair<'a> {
        Pair {
            route: 0,
            route_name: "balance",
            method: "GET",
            target: "/v1/users/u/balance?x=1",
            request_headers: headers,
            request_body: b"",
            kind,
            baseline,
            candidate,
            second: None,
        }
    }

    #[test]
    fn a_line_holds_request_and_answers_without_secrets() {
        let redacted = vec![HeaderName::from_static("authorization"), HeaderName::from_static("set-cookie")];
        let file = PairFile::open(None, redacted, 1).expect("no file to open");
        let mut headers = HeaderMap::new();
        headers.append("authorization", HeaderValue::from_static("secret"));
        headers.append("accept", HeaderValue::from_static("*/*"));
        let (one, other) = (answer(b"{}"), answer(&[0xff]));
        let line = file.line(&pair(Kind::Body, &headers, &one, Ok(&other)), Moment { unix_ms: 0, t_ns: 9 });
        assert_eq!(line["utc"], "1970-01-01T00:00:00.000Z");
        assert_eq!(line["request_headers"], json!([["authorization", "redacted"], ["accept", "*/*"]]));
        assert_eq!(line["baseline"]["body"], "{}");
        assert_eq!(line["candidate"]["body"], json!({"base64": "/w=="}));
        assert_eq!(line["baseline"]["headers"], json!([["set-cookie", "redacted"], ["content-type", "a/b"]]));
        assert_eq!((&line["second"], &line["candidate_error"]), (&Value::Null, &Value::Null));
        assert!(!line.to_string().contains("secret"));
    }

    #[test]
    fn pairs_beyond_the_cap_are_counted_and_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pairs.jsonl");
        let file = PairFile::open(Some(&path), Vec::new(), 2).expect("a file");
        let (headers, one) = (HeaderMap::new(), answer(b"x"));
        for _ in 0..5 {
            let gone = pair(Kind::Unresponsive, &headers, &one, Err(Failure::Timeout));
            file.write(&gone, Moment { unix_ms: 0, t_ns: 0 }).expect("it is written");
        }
        file.write(&pair(Kind::Body, &headers, &one, Ok(&one)), Moment { unix_ms: 0, t_ns: 0 }).expect("it is written");
        let text = std::fs::read_to_string(path).expect("the file");
        let kinds: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["kind"].clone()).collect();
        assert_eq!(kinds, ["unresponsive", "unresponsive", "body"]);
        assert_eq!(file.not_stored(0), json!({"body": 0, "unresponsive": 3}));
    }
}
