//! One thread, one epoll, one block of bytes for all: what a request costs here is two system calls.
//!
//! A request is what ends in an empty line; bodies are not read, so send none. Level-triggered reads, because a
//! connection that cannot be written to at once (a slow reader) keeps the rest of its answer and waits for room.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, sockopt};
use rustix::time::{ClockId, clock_gettime};
use rustls::{ServerConfig, ServerConnection};

use crate::options::Work;
use crate::pace::{Kind, Pacer};
use crate::tls;

const LISTENER: u64 = u64::MAX;
/// The longest request that is kept until its end comes.
const REQUEST_BYTES: usize = 16 * 1024;

struct Peer {
    socket: OwnedFd,
    /// Which of the connections that had this descriptor it is.
    serial: u64,
    /// A request of which the end has not come.
    part: Vec<u8>,
    /// Answers that found no room.
    unsent: Vec<u8>,
    /// Whether it waits for room instead of requests.
    full: bool,
    tls: Option<Box<ServerConnection>>,
}

/// What the work of a request is, and what is under way of it.
enum Working {
    Busy { ns: u64 },
    Paced(Box<Paced>),
}

/// Answers that wait for their moment: when, of whom (descriptor and serial), and which.
struct Paced {
    pacer: Pacer,
    due: BinaryHeap<Reverse<(u64, u64, u64, Kind)>>,
    failed: Vec<u8>,
    wrong: Vec<u8>,
}

pub(crate) struct Responder {
    listener: TcpListener,
    epoll: OwnedFd,
    peers: HashMap<u64, Peer>,
    answer: Vec<u8>,
    work: Working,
    answered: u64,
    accepted: u64,
    tls: Option<Arc<ServerConfig>>,
    /// What a session decrypted, and answers before it encrypts them.
    plain: (Vec<u8>, Vec<u8>),
}

impl Responder {
    pub(crate) fn new(
        listener: TcpListener,
        answer_bytes: usize,
        work: Work,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let (peers, answer, plain) = (HashMap::new(), answer(answer_bytes), (Vec::new(), Vec::new()));
        let work = match work {
            Work::Busy { ns } => Working::Busy { ns },
            Work::Paced(pace) => Working::Paced(Box::new(Paced {
                pacer: Pacer::new(pace),
                due: BinaryHeap::new(),
                failed: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec(),
                wrong: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno".to_vec(),
            })),
        };
        Ok(Self { listener, epoll, peers, answer, work, answered: 0, accepted: 0, tls, plain })
    }

    /// Serves until the process ends.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(256);
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            events.clear();
            let wait = self.until_due();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), wait.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    peer => self.react(peer, event.flags, &mut buffer),
                }
            }
            self.answer_due();
        }
    }

    /// Returns how long it is to the next answer that waits for its moment; None when none does.
    fn until_due(&self) -> Option<Timespec> {
        let Working::Paced(paced) = &self.work else { return None };
        let Reverse((due_ns, ..)) = paced.due.peek()?;
        let left_ns = due_ns.saturating_sub(monotonic_ns());
        Some(Timespec { tv_sec: (left_ns / 1_000_000_000) as i64, tv_nsec: (left_ns % 1_000_000_000) as i64 })
    }

    /// Sends the answers whose moment has come; those of connections that are gone are let go.
    fn answer_due(&mut self) {
        let now_ns = monotonic_ns();
        loop {
            let Working::Paced(paced) = &mut self.work else { return };
            let Some(&Reverse((due_ns, id, serial, kind))) = paced.due.peek() else { return };
            if due_ns > now_ns {
                return;
            }
            paced.due.pop();
            let Some(mut peer) = self.peers.remove(&id) else { continue };
            if peer.serial == serial {
                peer.unsent.extend_from_slice(match kind {
                    Kind::Good => &self.answer,
                    Kind::Failed => &paced.failed,
                    Kind::Wrong => &paced.wrong,
                });
                if !matches!(self.flush(&mut peer), Ok(true)) {
                    continue;
                }
            }
            self.peers.insert(id, peer);
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => {
                    sockopt::set_tcp_nodelay(&socket, true)?;
                    let id = socket.as_raw_fd() as u64;
                    epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(id), epoll::EventFlags::IN)?;
                    let session = |config| ServerConnection::new(config).map(Box::new).map_err(io::Error::other);
                    let tls = self.tls.clone().map(session).transpose()?;
                    let (serial, part, unsent) = (self.accepted, Vec::new(), Vec::new());
                    self.accepted += 1;
                    self.peers.insert(id, Peer { socket, serial, part, unsent, full: false, tls });
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn react(&mut self, id: u64, flags: epoll::EventFlags, buffer: &mut [u8]) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        let alive = if flags.contains(epoll::EventFlags::OUT) { self.flush(&mut peer) } else { Ok(true) };
        let readable = flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        let alive = match alive {
            Ok(true) if readable => self.read(&mut peer, buffer),
            other => other,
        };
        // A peer that is gone or breaks the rules loses its connection; its socket closes with it.
        if matches!(alive, Ok(true)) {
            self.peers.insert(id, peer);
        }
    }

    fn read(&mut self, peer: &mut Peer, buffer: &mut [u8]) -> io::Result<bool> {
        let count = match rustix::io::read(&peer.socket, &mut *buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        };
        if let Some(mut session) = peer.tls.take() {
            let (mut asked, mut answers) = std::mem::take(&mut self.plain);
            asked.clear();
            answers.clear();
            tls::decrypt(&mut session, &buffer[..count], &mut asked)?;
            let whom = (peer.socket.as_raw_fd() as u64, peer.serial);
            self.collect(&mut peer.part, &asked, &mut answers, whom);
            tls::encrypt(&mut session, &answers, &mut peer.unsent)?;
            self.plain = (asked, answers);
            peer.tls = Some(session);
        } else {
            let whom = (peer.socket.as_raw_fd() as u64, peer.serial);
            self.collect(&mut peer.part, &buffer[..count], &mut peer.unsent, whom);
        }
        if peer.part.len() > REQUEST_BYTES {
            return Ok(false);
        }
        self.flush(peer)
    }

    /// Answers the requests that are whole now and keeps the rest.
    fn collect(&mut self, part: &mut Vec<u8>, bytes: &[u8], out: &mut Vec<u8>, whom: (u64, u64)) {
        if part.is_empty() {
            let used = self.requests(bytes, out, whom);
            part.extend_from_slice(&bytes[used..]);
        } else {
            part.extend_from_slice(bytes);
            let used = self.requests(part, out, whom);
            part.drain(..used);
        }
    }

    /// Appends an answer for every whole request, or plans it, and returns how many bytes those were.
    fn requests(&mut self, bytes: &[u8], out: &mut Vec<u8>, (id, serial): (u64, u64)) -> usize {
        let mut used = 0;
        while let Some(end) = find_end(&bytes[used..]) {
            if bytes[used..].starts_with(b"GET /count ") {
                out.extend_from_slice(&count_answer(self.answered));
            } else {
                self.answered += 1;
                match &mut self.work {
                    Working::Busy { ns } => {
                        work(*ns);
                        out.extend_from_slice(&self.answer);
                    }
                    Working::Paced(paced) => {
                        let (due_ns, kind) = paced.pacer.admit(monotonic_ns());
                        paced.due.push(Reverse((due_ns, id, serial, kind)));
                    }
                }
            }
            used += end;
        }
        used
    }

    /// Sends what is unsent; asks for room when there is none.
    fn flush(&mut self, peer: &mut Peer) -> io::Result<bool> {
        let mut sent = 0;
        while sent < peer.unsent.len() {
            match rustix::net::send(&peer.socket, &peer.unsent[sent..], SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        peer.unsent.drain(..sent);
        let full = !peer.unsent.is_empty();
        if std::mem::replace(&mut peer.full, full) != full {
            let flags = if full { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let id = peer.socket.as_raw_fd() as u64;
            epoll::modify(&self.epoll, peer.socket.as_fd(), epoll::EventData::new_u64(id), flags)?;
        }
        Ok(true)
    }
}

fn work(ns: u64) {
    if ns > 0 {
        let until_ns = monotonic_ns() + ns;
        while monotonic_ns() < until_ns {
            std::hint::spin_loop();
        }
    }
}

/// Returns where the first request in the bytes ends.
fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn answer(bytes: usize) -> Vec<u8> {
    // The Connection line is for ab, which asks in HTTP/1.0 and would otherwise wait for a close.
    let head = |body: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: {body}\r\n\r\n"
        )
    };
    // The head's length depends on the digits of the body's, so the body is what makes both fit.
    let body = (0..=bytes).rev().find(|&body| head(body).len() + body <= bytes).unwrap_or(0);
    let mut answer = head(body).into_bytes();
    answer.resize(answer.len() + body, b'x');
    answer
}

fn count_answer(count: u64) -> Vec<u8> {
    let body = count.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_size_that_was_asked_for() {
        for bytes in [128, 396, 2_048, 70_000] {
            let answer = answer(bytes);
            let text = String::from_utf8(answer.clone()).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(bytes - answer.len() <= 1, "{bytes} {}", answer.len());
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        }
    }

    #[test]
    fn the_end_of_the_first_request_is_found() {
        assert_eq!(find_end(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(find_end(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(find_end(b"GET / HTTP/1.1\r\n\r"), None);
    }
}
