//! What golden vectors cannot say: lengths, broken requests, connections, the drain.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use support::{Entry, Instance, read_answer, write_data};

/// `a` has a recharge of 100 coins at time 0 for 10 hours; `b` has nothing.
fn instance() -> (Instance, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let recharge = Entry { user: 0, seq: 7, time_ms: 0, kind: 1, amount: 100, party: u32::MAX, reference: 10 };
    write_data(folder.path(), &["a".to_owned(), "b".to_owned()], &[recharge]);
    (Instance::start(folder.path()), folder)
}

#[test]
fn one_changed_entry_changes_the_answer_and_nothing_is_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let entry = Entry { user: 0, seq: 1, time_ms: 0, kind: 1, amount: 100, party: u32::MAX, reference: 10 };
    let mut bodies = Vec::new();
    for amount in [100, 101] {
        write_data(folder.path(), &["a".to_owned()], &[Entry { amount, ..entry }]);
        let instance = Instance::start(folder.path());
        let first = instance.get("/v1/users/a/balance").body;
        assert_eq!(first, instance.get("/v1/users/a/balance").body);
        bodies.push(first);
    }
    assert_ne!(bodies[0], bodies[1]);
}

#[test]
fn head_has_the_length_of_the_body_it_leaves_out() {
    let (instance, _folder) = instance();
    for target in ["/v1/users/a/balance", "/v1/users/a/statistics?from=0&to=1", "/fib?n=30", "/fib?n=46", "/nothing"] {
        let get = instance.get(target);
        let head = instance.ask("HEAD", target, &[]);
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()), "{target}");
        assert!(get.header("transfer-encoding").is_none() && head.body.is_empty());
    }
    let mut stream = instance.connect();
    stream
        .write_all(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /fib?n=3 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("sent");
    assert_eq!(read_answer(&mut stream, true).expect("an answer").status, 200);
    assert_eq!(read_answer(&mut stream, false).expect("an answer").body, "{\"n\":3,\"fib\":2}");
}

#[test]
fn answers_keep_their_order_on_a_connection_with_a_slow_one() {
    let (instance, _folder) = instance();
    let mut stream = instance.connect();
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    let all = ["/fib?n=31", "/healthz", "/v1/users/b/balance"].map(ask).concat();
    stream.write_all(all.as_bytes()).expect("sent");
    assert_eq!(read_answer(&mut stream, false).expect("an answer").body, "{\"n\":31,\"fib\":1346269}");
    assert_eq!(read_answer(&mut stream, false).expect("an answer").body, "{\"status\":\"ok\"}");
    assert_eq!(read_answer(&mut stream, false).expect("an answer").header("ledger-as-of"), Some("7"));
}

#[test]
fn a_body_too_large_ends_the_connection_after_the_answer() {
    let (instance, _folder) = instance();
    let mut stream = instance.connect();
    stream.write_all(b"POST /fib HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\nxxxx").expect("sent");
    let answer = read_answer(&mut stream, false).expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    // With bytes of the body unread, the end may be a reset.
    let end = stream.read(&mut [0]).map_err(|fault| fault.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
}

#[test]
fn a_body_where_none_is_read_is_answered_at_once() {
    let (instance, _folder) = instance();
    for request in [
        &b"POST /fib HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"[..],
        b"PUT /fib HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"POST /fib HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ] {
        let text = String::from_utf8_lossy(&instance.raw(request)).into_owned();
        assert!(text.contains("HTTP/1.1 405 "), "{text}");
    }
}

#[test]
fn broken_requests_are_refused_and_never_a_fault_of_the_server() {
    let (instance, _folder) = instance();
    let long = format!("GET /fib?{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(60_000));
    let longer = format!("GET /fib?{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(400_000));
    let many = format!("GET /fib?{} HTTP/1.1\r\nHost: x\r\n\r\n", "n=1&".repeat(15_000));
    for (request, wanted) in [
        (long.as_bytes(), "400"),
        (longer.as_bytes(), "4"),
        (many.as_bytes(), "400"),
        ("GET /v1/users/é/balance HTTP/1.1\r\nHost: x\r\n\r\n".as_bytes(), "400"),
        ("GET /fib?n=3&é=ü HTTP/1.1\r\nHost: x\r\n\r\n".as_bytes(), "400"),
        (b"GET /v1/users/%zz/balance HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"GET /v1/users/a/../a/balance HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"GET /v1/users/\xff\xfe/balance HTTP/1.1\r\nHost: x\r\n\r\n", "4"),
        (b"GET /fib?n=\xff HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        (b"CONNECT wallet.test:80 HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"GET http://other/fib?n=2 HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
        (b"GET http://other HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        (b"GET /fib HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", "4"),
        (b"GET /fib HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
        (b"GET /fib?n=2 HTTP/1.0\r\n\r\n", "200"),
        (b"GET\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
    ] {
        let answer = instance.raw(request);
        let text = String::from_utf8_lossy(&answer);
        let found = text.split(' ').nth(1).unwrap_or_default();
        assert!(found.starts_with(wanted), "{}: {text}", String::from_utf8_lossy(&request[..request.len().min(80)]));
    }
    assert_eq!(instance.get("/healthz").status, 200);
}

#[test]
fn metrics_and_version_tell_of_this_instance() {
    let (instance, _folder) = instance();
    instance.get("/v1/users/a/balance");
    let metrics = instance.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("wallet_requests_total{endpoint=\"balance\",code=\"200\"} 1\n"), "{}", metrics.body);
    let version = instance.get("/version").body;
    let version: serde_json::Value = serde_json::from_str(&version).expect("JSON");
    assert_eq!((&version["twin"], &version["users"], &version["entries"]), (&"rust".into(), &2.into(), &1.into()));
}

#[test]
fn a_stop_answers_what_came_in_and_closes_idle_connections() {
    let (mut instance, _folder) = instance();
    let mut idle = instance.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    assert_eq!(read_answer(&mut idle, false).expect("an answer").status, 200);
    let mut busy = instance.connect();
    busy.write_all(b"GET /fib?n=36 HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(50));
    instance.ask_to_stop();
    assert_eq!(read_answer(&mut busy, false).expect("an answer").body, "{\"n\":36,\"fib\":14930352}");
    assert!(read_answer(&mut idle, false).is_none(), "the idle connection is closed");
    assert_eq!(instance.join(), Ok(()));
}

#[test]
fn data_that_cannot_be_served_ends_the_server_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let entry = Entry { user: 0, seq: 1, time_ms: 0, kind: 2, amount: 1, party: 5, reference: 1 };
    write_data(folder.path(), &["a".to_owned()], &[entry]);
    let binary = env!("CARGO_BIN_EXE_wallet-rust");
    for (data, words) in [
        (folder.path().to_path_buf(), "row 0: the gift's party is no user"),
        (folder.path().join("no"), "userpool.csv"),
    ] {
        let output = std::process::Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.lines().last().is_some_and(|line| line.contains(words)), "{stderr}");
    }
}

#[test]
fn the_binary_ends_with_0_after_sigterm() {
    let folder = tempfile::tempdir().expect("a folder");
    write_data(folder.path(), &["a".to_owned()], &[]);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_wallet-rust"))
        .args(["--listen", "127.0.0.1:0", "--name", "rust-1", "--data"])
        .arg(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
    let address = line.trim().strip_prefix("listening ").expect("the address").to_owned();
    let mut busy = std::net::TcpStream::connect(address).expect("connected");
    busy.write_all(b"GET /fib?n=36 HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(read_answer(&mut busy, false).expect("an answer").status, 200);
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
}
