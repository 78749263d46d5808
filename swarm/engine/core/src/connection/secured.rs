//! A connection's TLS half: the handshake that belongs to connecting, and sending and reading through the session.
//!
//! Reads take ciphertext into the caller's buffer and show the plaintext where the session has it. A session that ended
//! without saying so (no `close_notify`) may have been cut by anyone, so nothing that ends with it is complete.

use std::io;

use crate::io::Io;
use crate::parse::{Answer, Body, ParseError, Parser, Progress};
use crate::session::{Fault, Session};
use crate::tally::Cause;

use super::{Connection, Opening, READS_PER_PULL, State, Step};

impl Connection {
    /// Goes on with the handshake.
    pub(super) fn shake(&mut self, io: &mut impl Io, slot: u32, buffer: &mut [u8], closed: bool) -> Opening {
        let Some(session) = &mut self.session else { return Opening::Open };
        if !session.joined {
            if io.opened(slot).is_err() {
                return Opening::Failed(Cause::Connect);
            }
            session.joined = true;
        }
        match handshake(session, io, slot, buffer, closed) {
            Ok(true) => Opening::Open,
            Ok(false) => Opening::Pending,
            Err(Shaken::Unread) => {
                io.again(slot, self.serial);
                Opening::Pending
            }
            Err(Shaken::Broken(fault)) => {
                session.fault = Some(fault);
                Opening::Failed(Cause::Tls)
            }
        }
    }

    /// Reads what came while there is no request, such as tickets to resume with; returns whether that was all right.
    pub(super) fn settle(&mut self, io: &mut impl Io, slot: u32, buffer: &mut [u8]) -> bool {
        let Some(session) = &mut self.session else { return false };
        for _ in 0..READS_PER_PULL {
            let count = match io.receive(slot, buffer) {
                Ok(count @ 1..) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Ok(_) | Err(_) => return false,
            };
            match feed_all(session, &buffer[..count]) {
                Ok(()) if matches!(session.flush(io, slot), Ok(true)) => {}
                Ok(()) | Err(Fault::Ended) => return false,
                Err(fault) => {
                    session.fault = Some(fault);
                    return false;
                }
            }
        }
        false
    }

    /// Encrypts and sends on.
    pub(super) fn push_secured(&mut self, io: &mut impl Io, slot: u32) -> Step {
        loop {
            let Some(session) = &mut self.session else { return self.broken(Cause::Reset) };
            match session.flush(io, slot) {
                Ok(true) => {}
                Ok(false) => return Step::Pending,
                Err(_) => return self.broken(Cause::Reset),
            }
            if self.written == self.wire.len() {
                break;
            }
            match session.encrypt(&self.wire[self.written..]) {
                Ok(count @ 1..) => self.written += count,
                Ok(_) | Err(_) => return self.broken(Cause::Tls),
            }
        }
        if self.state == State::Sending {
            self.state = State::Waiting;
        }
        Step::Pending
    }

    /// Reads on through the session.
    pub(super) fn pull_secured(
        &mut self,
        io: &mut impl Io,
        slot: u32,
        buffer: &mut [u8],
        closed: bool,
        body: &mut impl Body,
    ) -> Step {
        for _ in 0..READS_PER_PULL {
            let count = match io.receive(slot, buffer) {
                Ok(count @ 1..) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Pending,
                // The end without a close_notify.
                Ok(_) | Err(_) => return self.broken(Cause::Reset),
            };
            let taken = self.take(&buffer[..count], body);
            // What the session has to say to it, such as an alert.
            let flushed = self.session.as_mut().is_none_or(|session| matches!(session.flush(io, slot), Ok(true)));
            match taken {
                Taken::More if count < buffer.len() && !closed => return self.reading(),
                Taken::More => {}
                Taken::Done { answer, clean } => {
                    let clean = clean && flushed && self.written == self.wire.len();
                    return Step::Done { answer, reusable: answer.keep_alive && clean && !closed };
                }
                Taken::Ended => return self.ended(),
                Taken::Broken(cause) => return self.broken(cause),
            }
        }
        io.again(slot, self.serial);
        self.reading()
    }

    /// Decrypts all of `input` and parses what is in it; all, for the session's keys follow from every record.
    fn take(&mut self, mut input: &[u8], body: &mut impl Body) -> Taken {
        let Some(session) = &mut self.session else { return Taken::Broken(Cause::Reset) };
        let mut done = None;
        while !input.is_empty() {
            let fed = session.feed(&mut input);
            if done.is_none() {
                match parse(session, &mut self.parser, body) {
                    Ok(answer) => done = answer,
                    Err(_) => return Taken::Broken(Cause::Other),
                }
            }
            // Bytes that nobody asked for: the next answer could not be told apart.
            let clean = fed.is_ok() && !session.has_plaintext();
            match (done, fed) {
                (Some(answer), _) if !clean => return Taken::Done { answer, clean },
                (_, Ok(())) => {}
                (None, Err(Fault::Ended)) => return Taken::Ended,
                (_, Err(fault)) => {
                    session.fault = Some(fault);
                    return Taken::Broken(Cause::Tls);
                }
            }
        }
        done.map_or(Taken::More, |answer| Taken::Done { answer, clean: true })
    }
}

/// What bytes from the socket came to.
enum Taken {
    More,
    Done { answer: Answer, clean: bool },
    Ended,
    Broken(Cause),
}

/// Why a handshake does not go on by itself.
enum Shaken {
    /// There may be more to read than was read in one go.
    Unread,
    Broken(Fault),
}

impl From<Fault> for Shaken {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

/// Sends and reads what can be; returns whether the handshake is over and all of ours is sent.
fn handshake(
    session: &mut Session,
    io: &mut impl Io,
    slot: u32,
    buffer: &mut [u8],
    closed: bool,
) -> Result<bool, Shaken> {
    let mut drained = false;
    for _ in 0..READS_PER_PULL {
        let flushed = session.flush(io, slot).map_err(|_| Fault::Ended)?;
        if drained || !session.is_handshaking() {
            return Ok(flushed && !session.is_handshaking());
        }
        let count = match io.receive(slot, buffer) {
            Ok(count @ 1..) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Ok(_) | Err(_) => return Err(Fault::Ended.into()),
        };
        drained = count < buffer.len() && !closed;
        feed_all(session, &buffer[..count])?;
    }
    Err(Shaken::Unread)
}

/// Feeds a session at a time when no plaintext is due.
fn feed_all(session: &mut Session, mut input: &[u8]) -> Result<(), Fault> {
    while !input.is_empty() {
        session.feed(&mut input)?;
        if session.has_plaintext() {
            return Err(Fault::Unasked);
        }
    }
    Ok(())
}

fn parse(session: &mut Session, parser: &mut Parser, body: &mut impl Body) -> Result<Option<Answer>, ParseError> {
    let mut done = None;
    session.show(|piece| {
        if done.is_some() {
            return Ok(0);
        }
        Ok(match parser.feed(piece, body)? {
            Progress::More => piece.len(),
            Progress::Done { answer, used } => {
                done = Some(answer);
                used
            }
        })
    })?;
    Ok(done)
}
