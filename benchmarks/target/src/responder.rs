//! One thread, one epoll, one block of bytes for all: what a request costs here is two system calls.
//!
//! A request is what ends in an empty line; bodies are not read, so send none. Level-triggered reads, because a
//! connection that cannot be written to at once (a slow reader) keeps the rest of its answer and waits for room.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, sockopt};
use rustix::time::{ClockId, clock_gettime};
use rustls::{ServerConfig, ServerConnection};

use crate::tls;

const LISTENER: u64 = u64::MAX;
/// The longest request that is kept until its end comes.
const REQUEST_BYTES: usize = 16 * 1024;

struct Peer {
    socket: OwnedFd,
    /// A request of which the end has not come.
    part: Vec<u8>,
    /// Answers that found no room.
    unsent: Vec<u8>,
    /// Whether it waits for room instead of requests.
    full: bool,
    tls: Option<Box<ServerConnection>>,
}

pub(crate) struct Responder {
    listener: TcpListener,
    epoll: OwnedFd,
    peers: HashMap<u64, Peer>,
    answer: Vec<u8>,
    work_ns: u64,
    answered: u64,
    tls: Option<Arc<ServerConfig>>,
    /// What a session decrypted, and answers before it encrypts them.
    plain: (Vec<u8>, Vec<u8>),
}

impl Responder {
    pub(crate) fn new(
        listener: TcpListener,
        answer_bytes: usize,
        work_ns: u64,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let (peers, answer, plain) = (HashMap::new(), answer(answer_bytes), (Vec::new(), Vec::new()));
        Ok(Self { listener, epoll, peers, answer, work_ns, answered: 0, tls, plain })
    }

    /// Serves until the process ends.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(256);
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    peer => self.react(peer, event.flags, &mut buffer),
                }
            }
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
                    self.peers.insert(id, Peer { socket, part: Vec::new(), unsent: Vec::new(), full: false, tls });
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
            self.collect(&mut peer.part, &asked, &mut answers);
            tls::encrypt(&mut session, &answers, &mut peer.unsent)?;
            self.plain = (asked, answers);
            peer.tls = Some(session);
        } else {
            self.collect(&mut peer.part, &buffer[..count], &mut peer.unsent);
        }
        if peer.part.len() > REQUEST_BYTES {
            return Ok(false);
        }
        self.flush(peer)
    }

    /// Answers the requests that are whole now and keeps the rest.
    fn collect(&mut self, part: &mut Vec<u8>, bytes: &[u8], out: &mut Vec<u8>) {
        if part.is_empty() {
            let used = self.requests(bytes, out);
            part.extend_from_slice(&bytes[used..]);
        } else {
            part.extend_from_slice(bytes);
            let used = self.requests(part, out);
            part.drain(..used);
        }
    }

    /// Appends an answer for every whole request and returns how many bytes those were.
    fn requests(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while let Some(end) = find_end(&bytes[used..]) {
            if bytes[used..].starts_with(b"GET /count ") {
                out.extend_from_slice(&count_answer(self.answered));
            } else {
                self.work();
                self.answered += 1;
                out.extend_from_slice(&self.answer);
            }
            used += end;
        }
        used
    }

    fn work(&self) {
        if self.work_ns > 0 {
            let until_ns = monotonic_ns() + self.work_ns;
            while monotonic_ns() < until_ns {
                std::hint::spin_loop();
            }
        }
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

/// Returns where the first request in the bytes ends.
fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn answer(bytes: usize) -> Vec<u8> {
    let head =
        |body: usize| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body}\r\n\r\n");
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
        for bytes in [100, 396, 2_048, 70_000] {
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
