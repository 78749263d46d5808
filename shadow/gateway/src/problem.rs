//! The gateway's own answers when it has none of a service: RFC 9457 documents.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::body::Body;

/// One error answer. Nothing in it repeats what the caller sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// One sentence.
    pub detail: &'static str,
}

impl Problem {
    /// A problem of a status with one sentence about it.
    #[must_use]
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let (status, detail) = (self.status.as_u16(), json!(self.detail));
        format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":{detail}}}")
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(&self) -> Response<Body> {
        let mut answer = Response::new(Body::full(Bytes::from(self.document())));
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_its_status_twice_and_says_what_happened() {
        let problem = Problem::new(StatusCode::BAD_GATEWAY, "No instance answered.");
        assert_eq!(
            problem.document(),
            r#"{"type":"about:blank","title":"Bad Gateway","status":502,"detail":"No instance answered."}"#
        );
        assert_eq!(problem.answer().status(), 502);
    }
}
