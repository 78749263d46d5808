//! Requests as they stand on the wire, and those that are refused.

use std::collections::HashSet;

use twinload_engine_core::template::{Columns, Request, RequestId, RequestSpec};

fn columns() -> Columns {
    let mut columns = Columns::default();
    columns.insert("user_id", ["u1", "a b/ü"].iter().collect());
    columns.insert("note", ["plain", "two\r\nlines"].iter().collect());
    columns
}

fn rendered(spec: &RequestSpec, user: u32) -> String {
    rendered_with(spec, user, RequestId::default())
}

fn rendered_with(spec: &RequestSpec, user: u32, id: RequestId) -> String {
    let mut out = b"left over".to_vec();
    Request::compile(spec, &columns()).expect("a request").render(user, id, b"127.0.0.1:80", &mut out);
    String::from_utf8(out).expect("text")
}

fn refused(spec: &RequestSpec) -> String {
    Request::compile(spec, &columns()).expect_err("refused").to_string()
}

#[test]
fn a_path_is_filled_and_percent_encoded() {
    let spec = RequestSpec::get("/u/{user_id}?x={user_id}");
    assert_eq!(rendered(&spec, 0), "GET /u/u1?x=u1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
    assert!(rendered(&spec, 1).starts_with("GET /u/a%20b%2F%C3%BC?x=a%20b%2F%C3%BC HTTP/1.1\r\n"));
}

#[test]
fn a_body_is_filled_as_it_is_and_measured() {
    let spec =
        RequestSpec { method: "POST".into(), body: Some(r#"{"id":"{user_id}"}"#.into()), ..RequestSpec::get("/") };
    assert!(rendered(&spec, 1).ends_with("Content-Length: 15\r\n\r\n{\"id\":\"a b/ü\"}"), "{}", rendered(&spec, 1));
}

#[test]
fn a_post_without_body_says_so() {
    let spec = RequestSpec { method: "POST".into(), ..RequestSpec::get("/") };
    assert_eq!(rendered(&spec, 0), "POST / HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn own_headers_are_filled_and_an_own_host_is_kept() {
    let headers = vec![("host".into(), "twin".into()), ("X-User".into(), "<{user_id}>".into())];
    let spec = RequestSpec { headers, ..RequestSpec::get("/") };
    assert_eq!(rendered(&spec, 0), "GET / HTTP/1.1\r\nhost: twin\r\nX-User: <u1>\r\n\r\n");
}

#[test]
fn a_requests_id_is_the_same_in_all_of_its_places_and_is_measured() {
    let spec = RequestSpec {
        method: "POST".into(),
        headers: vec![("Idempotency-Key".into(), "k-{request_id}".into())],
        body: Some("{request_id}{user_id}".into()),
        ..RequestSpec::get("/{request_id}")
    };
    let id = RequestId { ids: 0xA1, thread: 2, number: 0x3F };
    let text = "00000000000000a1000200000000003f";
    assert_eq!(
        rendered_with(&spec, 0, id),
        format!(
            "POST /{text} HTTP/1.1\r\nHost: 127.0.0.1:80\r\nIdempotency-Key: k-{text}\r\n\
             Content-Length: 34\r\n\r\n{text}u1"
        )
    );
}

#[test]
fn no_two_requests_have_one_id() {
    let spec = RequestSpec::get("/{request_id}");
    let largest = RequestId { ids: u64::MAX, thread: u16::MAX, number: (1 << 48) - 1 };
    assert!(rendered_with(&spec, 0, largest).starts_with(&format!("GET /{} HTTP", "f".repeat(32))));
    let ids = (0..3).flat_map(|ids| (0..3).flat_map(move |thread| (0..70).map(move |number| (ids, thread, number))));
    let seen: HashSet<String> =
        ids.map(|(ids, thread, number)| rendered_with(&spec, 0, RequestId { ids, thread, number })).collect();
    assert_eq!(seen.len(), 630);
}

#[test]
fn braces_that_name_nothing_stay() {
    let spec = RequestSpec { method: "PUT".into(), body: Some("{{user_id}} {} {A} {".into()), ..RequestSpec::get("/") };
    assert!(rendered(&spec, 0).ends_with("\r\n\r\n{u1} {} {A} {"));
}

#[test]
fn what_would_break_the_message_is_refused() {
    let with =
        |name: &str, value: &str| RequestSpec { headers: vec![(name.into(), value.into())], ..RequestSpec::get("/") };
    assert!(refused(&with("X", "{note}")).contains("control character"));
    assert!(refused(&with("X", "a\nb")).contains("control character"));
    assert!(refused(&with("X Y", "a")).contains("header name"));
    assert!(refused(&with("Transfer-Encoding", "chunked")).contains("set by the engine"));
    assert!(refused(&RequestSpec::get("/a b")).contains("visible ASCII"));
    assert!(refused(&RequestSpec { method: "get".into(), ..RequestSpec::get("/") }).contains("capital"));
    assert_eq!(
        refused(&RequestSpec::get("/{no}")),
        r#"{no} in "/{no}": the pool has no such column; it has note, user_id"#
    );
}
