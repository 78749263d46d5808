//! Errors as answers: RFC 9457 documents, the same bytes as the other twin's.

use crate::json::Json;

/// One error answer. Nothing in it repeats what the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// The last segment of its type.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A short name.
    pub title: &'static str,
    /// One sentence.
    pub detail: &'static str,
    /// The parameter at fault, where there is one.
    pub parameter: Option<&'static str>,
}

impl Problem {
    /// No user has the id.
    pub const UNKNOWN_USER: Self = Self::new("unknown-user", 404, "Unknown user", "No user has this id.");
    /// No resource has the path.
    pub const NOT_FOUND: Self = Self::new("not-found", 404, "Not found", "No such resource.");
    /// The resource has other methods.
    pub const METHOD_NOT_ALLOWED: Self =
        Self::new("method-not-allowed", 405, "Method not allowed", "This resource does not answer that method.");
    /// The declared body is too large.
    pub const BODY_TOO_LARGE: Self =
        Self::new("body-too-large", 413, "Body too large", "The body may have at most 65536 bytes.");
    /// The ledger is still being read.
    pub const NOT_READY: Self = Self::new("not-ready", 503, "Not ready", "The ledger is not loaded yet.");
    /// The user's entries contradict one another.
    pub const LEDGER_CORRUPT: Self =
        Self::new("ledger-corrupt", 500, "Ledger corrupt", "The ledger of this user breaks its rules.");

    /// The store has lost events that were applied.
    pub const STORE_LOST: Self =
        Self::new("store-lost", 503, "Store lost", "The store has lost writes that this instance has seen.");

    const fn new(slug: &'static str, status: u16, title: &'static str, detail: &'static str) -> Self {
        Self { slug, status, title, detail, parameter: None }
    }

    /// A parameter of the query is missing, repeated or malformed.
    #[must_use]
    pub const fn bad_parameter(parameter: &'static str, detail: &'static str) -> Self {
        Self { slug: "bad-parameter", status: 400, title: "Bad parameter", detail, parameter: Some(parameter) }
    }

    /// Appends the document.
    pub fn write(&self, json: &mut Json) {
        json.raw("{\"type\":\"/problems/");
        json.raw(self.slug);
        json.raw("\",\"title\":\"");
        json.raw(self.title);
        json.member("\",\"status\":", self.status);
        json.raw(",\"detail\":\"");
        json.raw(self.detail);
        if let Some(parameter) = self.parameter {
            json.raw("\",\"parameter\":\"");
            json.raw(parameter);
        }
        json.raw("\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_members_in_order_and_the_parameter_last() {
        let mut json = Json::default();
        Problem::bad_parameter("to", "to must be later than from.").write(&mut json);
        assert_eq!(
            String::from_utf8_lossy(json.as_bytes()),
            r#"{"type":"/problems/bad-parameter","title":"Bad parameter","status":400,"detail":"to must be later than from.","parameter":"to"}"#
        );
        json.clear();
        Problem::UNKNOWN_USER.write(&mut json);
        assert_eq!(
            String::from_utf8_lossy(json.as_bytes()),
            r#"{"type":"/problems/unknown-user","title":"Unknown user","status":404,"detail":"No user has this id."}"#
        );
    }
}
