//! TLS over real sockets: servers that do as they should, servers that do not, and hostile ones.

mod servers;
mod support;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;

use rustls::version::{TLS12, TLS13};
use twinload_engine_core::engine::Engine;
use twinload_engine_core::net::monotonic_ns;
use twinload_engine_core::plan::{Plan, PlanError};
use twinload_engine_core::stage::Load;
use twinload_engine_core::tally::Cause;
use twinload_engine_core::tls::{TlsConfig, TlsError, TlsOptions};

use servers::{Run, Server, always, any_version};
use support::{Authority, TRUSTED, server_config, trusting};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Twenty requests, one after the other on one connection.
fn twenty_requests(server: &Server, tls: &TlsOptions) -> Plan {
    Plan { max_connections: 1, ..server.plan(tls, Load::Rate(100.0), 0.2) }
}

/// One request of an open loop.
fn one_request(server: &Server, tls: &TlsOptions) -> Plan {
    server.plan(tls, Load::Rate(10.0), 0.1)
}

#[test]
fn many_requests_go_over_one_handshake_in_both_versions() {
    for version in [&TLS12, &TLS13] {
        let server = Server::tls(server_config(&[version], None), always(OK));
        let run = Run::of(&twenty_requests(&server, &trusting()));
        run.none_failed();
        assert_eq!((run.done, run.opened, server.counts.full.load(Ordering::Relaxed)), (20, 1, 1));
        assert_eq!(server.counts.requests.load(Ordering::Relaxed), run.sent);
        assert_eq!(run.bytes, 2 * run.done);
    }
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    for version in [&TLS12, &TLS13] {
        let closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        let server = Server::tls(server_config(&[version], None), move |mut peer| {
            if peer.request() && peer.answer(closing).is_ok() {
                peer.close();
            }
        });
        let run = Run::of(&twenty_requests(&server, &trusting()));
        run.none_failed();
        assert_eq!((run.done, run.opened), (20, 20));
        assert_eq!(server.counts.full.load(Ordering::Relaxed), 1);
        assert_eq!(server.counts.resumed.load(Ordering::Relaxed), 19);
    }
}

#[test]
fn a_server_is_refused_whose_authority_or_name_is_another() {
    let server = Server::tls(any_version(), always(OK));
    let stranger = TlsOptions { ca_pem: Some(Authority::new("stranger").pem), ..TlsOptions::default() };
    let run = Run::of(&one_request(&server, &stranger));
    run.all_failed(Cause::Tls);
    assert!(run.fault.contains("UnknownIssuer"), "{run:?}");

    let mut plan = one_request(&server, &trusting());
    plan.targets[0].tls.as_mut().expect("it has").server_name = "wallet.test".into();
    let run = Run::of(&plan);
    run.all_failed(Cause::Tls);
    assert!(run.fault.contains("wallet.test") && run.opened == 0, "{run:?}");
}

#[test]
fn a_dns_name_of_the_certificate_is_taken_and_the_opt_out_takes_all() {
    let server = Server::tls(any_version(), always(OK));
    let mut plan = twenty_requests(&server, &trusting());
    plan.targets[0].tls.as_mut().expect("it has").server_name = "localhost".into();
    Run::of(&plan).none_failed();

    for version in [&TLS12, &TLS13] {
        let server = Server::tls(server_config(&[version], None), always(OK));
        let unchecked =
            TlsOptions { ca_pem: Some(Authority::new("stranger").pem), verify: false, ..TlsOptions::default() };
        let mut plan = twenty_requests(&server, &unchecked);
        plan.targets[0].tls.as_mut().expect("it has").server_name = "wallet.test".into();
        Run::of(&plan).none_failed();
    }
}

#[test]
fn a_server_that_demands_a_certificate_is_given_it() {
    let clients = Authority::new("clients");
    let ours = clients.issue(&["sender"]);
    for version in [&TLS12, &TLS13] {
        let server = Server::tls(server_config(&[version], Some(&clients)), always(OK));
        let known = TlsOptions {
            client_cert_pem: Some(ours.certificate.clone()),
            client_key_pem: Some(ours.key.clone()),
            ..trusting()
        };
        Run::of(&twenty_requests(&server, &known)).none_failed();
        let run = Run::of(&one_request(&server, &trusting()));
        assert!(matches!(run.failed[..], [(Cause::Tls | Cause::Reset, 1)]), "{run:?}");
    }
    // In TLS 1.2 the server says no within the handshake; in 1.3 after it, and its word may be lost with the connection.
    let server = Server::tls(server_config(&[&TLS12], Some(&clients)), always(OK));
    let run = Run::of(&one_request(&server, &trusting()));
    run.all_failed(Cause::Tls);
    assert!(run.fault.contains("alert"), "{run:?}");
}

#[test]
fn large_and_chunked_bodies_come_whole_and_ipv6_works() {
    let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    large.resize(large.len() + 3_000_000, b'x');
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for size in [1, 20_000, 7, 70_000] {
        chunked.extend_from_slice(format!("{size:x}\r\n{}\r\n", "y".repeat(size)).as_bytes());
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for (answer, body_bytes) in [(large, 3_000_000), (chunked, 90_008)] {
        let server = Server::tls_at(IpAddr::V6(Ipv6Addr::LOCALHOST), any_version(), always(&answer));
        let run = Run::of(&twenty_requests(&server, &trusting()));
        run.none_failed();
        assert_eq!((run.bytes, run.opened), (body_bytes * run.done, 1));
    }
}

#[test]
fn a_body_that_ends_with_its_connection_must_end_by_close_notify() {
    let until_close = b"HTTP/1.1 200 OK\r\n\r\nall of it";
    let said = Server::tls(any_version(), move |mut peer| {
        if peer.request() && peer.answer(until_close).is_ok() {
            peer.close();
        }
    });
    let run = Run::of(&twenty_requests(&said, &trusting()));
    run.none_failed();
    assert_eq!(run.bytes, 9 * run.done);

    let cut = Server::tls(any_version(), move |mut peer| {
        let _ = peer.request() && peer.answer(until_close).is_ok();
    });
    Run::of(&one_request(&cut, &trusting())).all_failed(Cause::Reset);
}

#[test]
fn a_handshake_that_is_garbage_ends_or_stalls_fails_the_request() {
    for garbage in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0; 64], &[0x16, 3, 3, 0xff, 0xff, 2], &[0xff; 100_000]]
    {
        let server = Server::raw(LOOPBACK, move |mut socket| {
            let _ = socket.write_all(garbage);
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let run = Run::of(&Plan { timeout_s: 0.3, ..one_request(&server, &trusting()) });
        assert_eq!((run.done, run.opened, run.failed.len()), (1, 0, 1), "{run:?}");
        // A record that claims to be longer than it is waits for its end, up to the time-out.
        let may_wait = garbage.len() == 6;
        assert!(run.failed[0].0 == Cause::Tls || may_wait && run.failed[0].0 == Cause::Timeout, "{run:?}");
    }
    let ending = Server::raw(LOOPBACK, |mut socket| drop(socket.read(&mut [0; 16])));
    Run::of(&one_request(&ending, &trusting())).all_failed(Cause::Tls);

    let silent = Server::raw(LOOPBACK, |mut socket| drop(socket.read_to_end(&mut Vec::new())));
    let run = Run::of(&Plan { timeout_s: 0.1, ..one_request(&silent, &trusting()) });
    run.all_failed(Cause::Timeout);
    assert_eq!((run.opened, run.refused), (0, 1));
}

#[test]
fn an_answer_without_end_or_with_endless_key_updates_lasts_no_longer_than_its_time_out() {
    let endless = Server::tls(any_version(), |mut peer| {
        let _ = peer.request() && peer.answer(b"HTTP/1.1 200 OK\r\n\r\n").is_ok();
        while peer.answer(&[b'x'; 64 * 1024]).is_ok() {}
    });
    Run::of(&Plan { timeout_s: 0.2, ..one_request(&endless, &trusting()) }).all_failed(Cause::Timeout);

    let updating = Server::tls(server_config(&[&TLS13], None), |mut peer| {
        let _ = peer.request();
        while peer.tls.refresh_traffic_keys().is_ok() && peer.answer(b"").is_ok() {}
    });
    let run = Run::of(&Plan { timeout_s: 0.2, ..one_request(&updating, &trusting()) });
    assert!(matches!(run.failed[..], [(Cause::Tls | Cause::Timeout, 1)]), "{run:?}");
}

#[test]
fn a_plain_answer_without_end_lasts_no_longer_than_its_time_out() {
    let endless = Server::raw(LOOPBACK, |mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while socket.write_all(&[b'x'; 256 * 1024]).is_ok() {}
    });
    let mut plan = Plan { timeout_s: 0.2, ..one_request(&endless, &trusting()) };
    plan.targets[0].tls = None;
    Run::of(&plan).all_failed(Cause::Timeout);
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused_before_anything_is_sent() {
    let server = Server::tls(any_version(), always(OK));
    for name in ["", "[::1]", "no such name", "127.0.0.1:8443"] {
        let mut plan = one_request(&server, &trusting());
        plan.targets[0].tls.as_mut().expect("it has").server_name = name.into();
        let refused = Engine::start(&plan, monotonic_ns()).map(|_| ()).expect_err("refused");
        assert!(matches!(refused, PlanError::ServerName { target: 0, .. }), "{refused}");
    }
}

#[test]
fn options_that_cannot_be_used_say_which_part_and_what_to_give() {
    let (authority, identity) = &*TRUSTED;
    let other = authority.issue(&["other"]);
    let fault = |options: TlsOptions| TlsConfig::new(&options).map(|_| ()).expect_err("refused");
    let ca = |text: &[u8]| TlsOptions { ca_pem: Some(text.to_vec()), ..TlsOptions::default() };
    let client = |certificate: Option<&[u8]>, key: Option<&[u8]>| TlsOptions {
        client_cert_pem: certificate.map(<[u8]>::to_vec),
        client_key_pem: key.map(<[u8]>::to_vec),
        ..trusting()
    };
    let (certificate, key) = (&identity.certificate[..], &identity.key[..]);
    let broken = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    for (fault, words) in [
        (fault(ca(b"")), "the CA certificate cannot be read (no items found): give a PEM file"),
        (fault(ca(broken)), "the CA certificate cannot be read"),
        (fault(client(Some(certificate), None)), "the client key is missing"),
        (fault(client(None, Some(key))), "the client certificate is missing"),
        (fault(client(Some(key), Some(key))), "the client certificate cannot be read"),
        (fault(client(Some(certificate), Some(certificate))), "the client key cannot be read"),
        (fault(client(Some(certificate), Some(&other.key))), "cannot be used together"),
    ] {
        assert!(fault.to_string().contains(words), "{fault} / {words}");
    }
    assert!(matches!(fault(ca(b"-----BEGIN CERTIFICATE-----\n")), TlsError::Pem { part: "CA certificate", .. }));
}
