//! What of a message is for one hop alone, and what a gateway adds (RFC 9110, sections 7.6.1 and 7.6.3).

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use hyper::{Method, Request, StatusCode, Version};

use crate::problem::Problem;

/// The addresses that a request came through.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const OURSELVES: &str = "1.1 twinload";

/// Removes what concerns one connection: the fixed names and those that `Connection` lists. `Host` and `Content-Length`
/// stay even when listed: no caller may take them from a request.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| *name != HOST && *name != CONTENT_LENGTH)
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Prepares a request's headers for the services: one hop's are gone, the caller's address and this hop are added.
/// `Expect` goes too, because the gateway itself says 100 when it reads the body.
pub fn forward(headers: &mut HeaderMap, caller: &HeaderValue) {
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    append(headers, FORWARDED_FOR, caller);
    append(headers, VIA, &HeaderValue::from_static(OURSELVES));
}

/// Joins a value to those that are there, in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value.clone());
        return;
    }
    let mut joined = Vec::new();
    for part in headers.get_all(&name).iter().chain([value]) {
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(part.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(name, joined);
    }
}

/// Why a request, though its syntax could be read, is not forwarded; none: it is.
#[must_use]
pub fn refusal<B>(request: &Request<B>) -> Option<Problem> {
    let headers = request.headers();
    let bad = |detail| Some(Problem::new(StatusCode::BAD_REQUEST, detail));
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => return bad("A request of HTTP/1.1 needs a Host."),
        (_, Some(_)) => return bad("The request has more than one Host."),
        _ => {}
    }
    if request.method() == Method::CONNECT {
        return Some(Problem::new(StatusCode::NOT_IMPLEMENTED, "The gateway makes no tunnels."));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => None,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
        _ => Some(Problem::new(StatusCode::NOT_IMPLEMENTED, "The only transfer coding here is chunked, once.")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_connection_lists_is_removed_with_the_fixed_names() {
        let mut headers = map(&[
            ("connection", "close, X-Mine"),
            ("connection", " x-other"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("x-stays", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-stays", "3")]));
    }

    #[test]
    fn a_caller_cannot_take_host_or_length_from_a_request() {
        let mut headers = map(&[("connection", "host, content-length"), ("host", "a"), ("content-length", "1")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("host", "a"), ("content-length", "1")]));
    }

    #[test]
    fn the_caller_s_address_is_joined_to_those_before() {
        let mut headers =
            map(&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "192.0.2.8"), ("expect", "100-continue")]);
        forward(&mut headers, &HeaderValue::from_static("127.0.0.1"));
        assert_eq!(headers, map(&[("x-forwarded-for", "192.0.2.7, 192.0.2.8, 127.0.0.1"), ("via", "1.1 twinload")]));
    }

    #[test]
    fn requests_without_one_host_or_with_other_codings_are_refused() {
        let refused = |lines: &[(&'static str, &'static str)]| {
            let mut request = Request::new(());
            *request.headers_mut() = map(lines);
            refusal(&request).map(|problem| problem.status.as_u16())
        };
        assert_eq!(refused(&[("host", "a")]), None);
        assert_eq!(refused(&[]), Some(400));
        assert_eq!(refused(&[("host", "a"), ("host", "a")]), Some(400));
        assert_eq!(refused(&[("host", "a"), ("transfer-encoding", "Chunked")]), None);
        assert_eq!(refused(&[("host", "a"), ("transfer-encoding", "gzip, chunked")]), Some(501));
        assert_eq!(
            refused(&[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
            Some(501)
        );
    }

    proptest! {
        #[test]
        fn nothing_of_one_hop_is_left_whatever_connection_lists(listed in "[ -~]{0,60}") {
            let mut headers = map(&[("te", "trailers"), ("x-a", "1")]);
            headers.insert(CONNECTION, HeaderValue::from_str(&listed).expect("visible text"));
            strip_hop_by_hop(&mut headers);
            prop_assert!(!headers.contains_key(CONNECTION) && !headers.contains_key(TE));
        }
    }
}
