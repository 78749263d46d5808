//! A session in memory, without sockets or time: its bytes come in pieces of any size, late, or broken.

mod support;

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use proptest::prelude::*;
use rustls::ServerConnection;
use rustls::version::{TLS12, TLS13};
use twinload_engine_core::connection::{Connection, Job, Opening, State, Step};
use twinload_engine_core::io::{Io, Ready, Received};
use twinload_engine_core::parse::{BodyHash, Limits};
use twinload_engine_core::tls::{TlsConfig, TlsTarget};

use support::{server_config, trusting};

const SLOT: u32 = 3;

/// Both directions of one connection; a read or write moves at most `piece` bytes, and every other one nothing.
struct Pipe {
    to_server: Vec<u8>,
    to_us: VecDeque<u8>,
    piece: usize,
    busy_sending: bool,
    busy_receiving: bool,
    /// Bytes that were sent in all.
    sent: usize,
}

fn turn(busy: &mut bool) -> io::Result<()> {
    *busy = !*busy;
    if *busy { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

impl Pipe {
    fn new(to_us: Vec<u8>, piece: usize) -> Self {
        Self { to_server: Vec::new(), to_us: to_us.into(), piece, busy_sending: false, busy_receiving: false, sent: 0 }
    }
}

impl Io for Pipe {
    fn now_ns(&self) -> u64 {
        0
    }

    fn open(&mut self, _: u32, _: u32, _: SocketAddr) -> io::Result<()> {
        Ok(())
    }

    fn opened(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, _: u32, bytes: &[u8]) -> io::Result<usize> {
        turn(&mut self.busy_sending)?;
        let count = bytes.len().min(self.piece);
        self.to_server.extend_from_slice(&bytes[..count]);
        self.sent += count;
        Ok(count)
    }

    fn receive(&mut self, _: u32, into: &mut [u8]) -> io::Result<Received> {
        turn(&mut self.busy_receiving)?;
        if self.to_us.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.piece).min(self.to_us.len());
        self.to_us.drain(..count).zip(into).for_each(|(byte, place)| *place = byte);
        Ok(Received { count, at_ns: None })
    }

    fn again(&mut self, _: u32, _: u32) {}

    fn rest(&mut self, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    fn close(&mut self, _: u32) {}

    fn wait(&mut self, _: u64, _: &mut Vec<Ready>) -> io::Result<()> {
        Ok(())
    }

    fn cpu_ns(&self) -> u64 {
        0
    }
}

/// How an exchange went.
#[derive(Debug, PartialEq)]
enum End {
    Failed,
    Broken,
    Done {
        status: u16,
        body_bytes: u64,
        hash: u64,
        reusable: bool,
    },
    /// Nothing moves any more; a time-out would end it.
    Stuck,
}

/// One exchange; `spoil` changes a byte of what the server sends by its place.
fn exchange(tls12: bool, piece: usize, answer: &[u8], spoil: Option<(usize, u8)>) -> End {
    let target = TlsTarget { config: TlsConfig::new(&trusting()).expect("options"), server_name: "localhost".into() };
    let version = if tls12 { &TLS12 } else { &TLS13 };
    let mut server = ServerConnection::new(server_config(&[version], None)).expect("a session");
    let mut pipe = Pipe::new(Vec::new(), piece);
    let mut connection = Connection::new(0, Limits::default());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    connection.open(&mut pipe, SLOT, address, Some(&target)).expect("opened");
    let (mut buffer, mut body, mut sent, mut request) = ([0; 4_096], BodyHash::default(), 0, Vec::new());
    let mut quiet = 0;
    while quiet < 8 {
        let before = (sent, pipe.sent, pipe.to_us.len());
        match connection.state {
            State::Connecting => match connection.connect(&mut pipe, SLOT, &mut buffer, false) {
                Opening::Pending => {}
                Opening::Open => connection.opened(0),
                Opening::Failed(_) => return End::Failed,
            },
            State::Idle => {
                connection.wire = b"GET / HTTP/1.1\r\n\r\n".to_vec();
                connection.begin(Job::default(), false, 0);
            }
            _ => {
                let step = match connection.push(&mut pipe, SLOT) {
                    Step::Pending => connection.pull(&mut pipe, SLOT, &mut buffer, false, &mut body),
                    over => over,
                };
                match step {
                    Step::Pending => {}
                    Step::Broken { .. } => return End::Broken,
                    Step::Done { answer, reusable } => {
                        let (status, body_bytes) = (answer.status, answer.body_bytes);
                        return End::Done { status, body_bytes, hash: body.value(), reusable };
                    }
                }
            }
        }
        let fresh = serve(&mut server, &mut pipe, &mut request, answer);
        for (at, mut byte) in (sent..).zip(fresh) {
            byte ^= spoil.filter(|(place, _)| *place == at).map_or(0, |(_, mask)| mask);
            pipe.to_us.push_back(byte);
            sent = at + 1;
        }
        let moved = before != (sent, pipe.sent, pipe.to_us.len());
        quiet = if moved { 0 } else { quiet + 1 };
    }
    End::Stuck
}

/// The server's turn; returns what it sends.
fn serve(server: &mut ServerConnection, pipe: &mut Pipe, request: &mut Vec<u8>, answer: &[u8]) -> Vec<u8> {
    let input = std::mem::take(&mut pipe.to_server);
    let mut rest = &input[..];
    while !rest.is_empty() {
        if server.read_tls(&mut rest).is_err() || server.process_new_packets().is_err() {
            break;
        }
        let _ = server.reader().read_to_end(request);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            server.writer().write_all(answer).expect("memory");
        }
    }
    let mut output = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut output).expect("memory");
    }
    output
}

fn answer(body_bytes: usize) -> (Vec<u8>, u64) {
    let body: Vec<u8> = (0..body_bytes).map(|at| (at % 251) as u8).collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n");
    let mut hash = BodyHash::default();
    twinload_engine_core::parse::Body::take(&mut hash, &body);
    ([head.as_bytes(), &body].concat(), hash.value())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_the_same_in_pieces_of_any_size(tls12: bool, piece in 1_usize..6_000, body_bytes in 0_usize..50_000) {
        let (answer, hash) = answer(body_bytes);
        let wanted = End::Done { status: 200, body_bytes: body_bytes as u64, hash, reusable: true };
        prop_assert_eq!(exchange(tls12, piece, &answer, None), wanted);
    }

    #[test]
    fn a_byte_changed_on_the_way_never_passes_for_an_answer(tls12: bool, at in 0_usize..1_400, mask in 1_u8..) {
        let (answer, hash) = answer(300);
        match exchange(tls12, 997, &answer, Some((at, mask))) {
            // A byte that protects nothing, or one that was never sent.
            End::Done { status, body_bytes, hash: read, .. } => prop_assert_eq!((status, body_bytes, read), (200, 300, hash)),
            End::Failed | End::Broken | End::Stuck => {}
        }
    }

    #[test]
    fn noise_instead_of_a_handshake_fails_or_waits(noise in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1_usize..500) {
        let config = TlsConfig::new(&trusting()).expect("options");
        let target = TlsTarget { config, server_name: "localhost".into() };
        let mut pipe = Pipe::new(noise, piece);
        let mut connection = Connection::new(0, Limits::default());
        connection.open(&mut pipe, SLOT, SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), Some(&target)).expect("opened");
        for _ in 0..4_100 {
            match connection.connect(&mut pipe, SLOT, &mut [0; 512], false) {
                Opening::Pending => {}
                Opening::Open => prop_assert!(false, "noise is no handshake"),
                Opening::Failed(_) => break,
            }
        }
    }
}

#[test]
fn bytes_after_the_answer_make_the_connection_useless() {
    let (mut more, hash) = answer(10);
    more.extend_from_slice(b"and more");
    let wanted = End::Done { status: 200, body_bytes: 10, hash, reusable: false };
    assert_eq!(exchange(false, 4_096, &more, None), wanted);
}

#[test]
fn a_configuration_is_shared_and_shows_no_key() {
    let config = TlsConfig::new(&trusting()).expect("options");
    let other = TlsConfig::new(&trusting()).expect("options");
    assert!(config == config.clone() && config != other);
    assert_eq!(format!("{:?}", Arc::new(config)), "TlsConfig");
}
