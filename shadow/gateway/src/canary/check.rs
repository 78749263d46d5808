//! Whether an answer can be what it says: a JSON media type means well-formed JSON.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde_json::value::RawValue;

/// Whether a whole answer says JSON and is none. One that is encoded cannot be judged; one without a body, where the
/// method or the status asks for none, need not.
#[must_use]
pub fn is_garbage(is_head: bool, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    let bodiless = is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless || headers.contains_key(CONTENT_ENCODING) || !says_json(headers) {
        return false;
    }
    serde_json::from_slice::<&RawValue>(body).is_err()
}

fn says_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let kind = kind.to_ascii_lowercase();
    kind == b"application/json" || kind.ends_with(b"+json")
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(kind: &'static str, body: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        is_garbage(false, StatusCode::OK, &headers, body)
    }

    #[test]
    fn json_must_be_whole_and_well_formed() {
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(!of(kind, b" {\"a\": [1, 2.5e3, null, \"\\u00e4\"]} \n"), "{kind}");
            for bad in [&b""[..], b"{\"a\": 1", b"{} {}", b"\xff\xfe", b"<html>", b"{\"a\": \"\xff\"}", b"{a:1}"] {
                assert!(of(kind, bad), "{bad:?}");
            }
        }
        assert!(!of("text/html", b"<html>") && !of("application/jsonp", b"x("));
    }

    #[test]
    fn what_has_no_body_or_an_encoded_one_is_not_judged() {
        let mut headers = HeaderMap::new();
        assert!(!is_garbage(false, StatusCode::OK, &headers, b"<"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(!is_garbage(true, StatusCode::OK, &headers, b""));
        assert!(!is_garbage(false, StatusCode::NO_CONTENT, &headers, b""));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_garbage(false, StatusCode::OK, &headers, b"\x1f\x8b"));
    }

    proptest! {
        #[test]
        fn a_document_that_is_cut_anywhere_is_seen(texts in prop::collection::vec(".{0,8}", 0..8), at in any::<prop::sample::Index>()) {
            let body = serde_json::to_vec(&texts).expect("texts are JSON");
            prop_assert!(!of("application/json", &body));
            prop_assert!(of("application/json", &body[..at.index(body.len())]));
        }
    }
}
