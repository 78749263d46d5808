//! The TLS session of one connection: ciphertext from and to [`Io`], plaintext in between. No sockets, no waiting.
//!
//! Memory is bounded: `rustls` keeps at most one record (64 KiB while a handshake message is put together), its plaintext
//! is used before more is fed, and what is to be sent is handed over in pieces of at most [`UNSENT_BYTES`].

use std::fmt;
use std::io::{self, BufRead as _, Write};

use rustls::ClientConnection;

use crate::io::Io;
use crate::tls::TlsTarget;

/// How much encrypted output may wait for the socket.
const UNSENT_BYTES: usize = 64 * 1024;
/// Several messages up to this size leave in one send.
const FLIGHT_BYTES: usize = 4 * 1024;

/// Why a session is of no use any more.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What came is against the protocol, or a certificate is not to be trusted.
    Tls(rustls::Error),
    /// The peer ended the session, with or without saying so.
    Ended,
    /// The peer sent data before it was asked.
    Unasked,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => write!(out, "{error}"),
            Self::Ended => out.write_str("the server closed the connection in the handshake"),
            Self::Unasked => out.write_str("the server sent data before it was asked"),
        }
    }
}

/// A session, from its first message on.
pub(crate) struct Session {
    tls: ClientConnection,
    /// Whether the socket is known to be open.
    pub(crate) joined: bool,
    /// Why it failed.
    pub(crate) fault: Option<Fault>,
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session").field("joined", &self.joined).field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Session {
    /// Begins a session; its first message waits to be flushed.
    ///
    /// # Errors
    /// When the name is none, which the plan's check would have found.
    pub(crate) fn new(target: &TlsTarget) -> io::Result<Self> {
        let name = target.name().map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(target.config.shared(), name).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(UNSENT_BYTES));
        Ok(Self { tls, joined: false, fault: None })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Takes a part of what came from the socket; the plaintext in it must be used before the next part.
    ///
    /// # Errors
    /// [`Fault`] when the session has ended; `Ended` when the peer said so, and then there may be a last plaintext.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> Result<(), Fault> {
        // Neither buffer can be full: one part holds a record at most, and what it held was used.
        self.tls.read_tls(input).map_err(|error| Fault::Tls(rustls::Error::General(error.to_string())))?;
        let state = self.tls.process_new_packets().map_err(Fault::Tls)?;
        if state.peer_has_closed() { Err(Fault::Ended) } else { Ok(()) }
    }

    /// Shows the plaintext that is there, piece by piece, to what says how much of each it used; a piece that is not used
    /// up is the last that is shown.
    pub(crate) fn show<E>(&mut self, mut take: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<(), E> {
        let mut reader = self.tls.reader();
        while let Ok(piece @ [_, ..]) = reader.fill_buf() {
            let length = piece.len();
            let used = take(piece)?;
            reader.consume(used);
            if used < length {
                break;
            }
        }
        Ok(())
    }

    /// Whether there is plaintext that nobody used.
    pub(crate) fn has_plaintext(&mut self) -> bool {
        matches!(self.tls.reader().fill_buf(), Ok([_, ..]))
    }

    /// Encrypts a part of a request and returns how much that was; flush before the next.
    pub(crate) fn encrypt(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tls.writer().write(bytes)
    }

    /// Sends what is encrypted; returns whether that was all.
    ///
    /// # Errors
    /// When the connection broke.
    pub(crate) fn flush(&mut self, io: &mut impl Io, slot: u32) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire { io, slot }) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says that nothing more comes, as far as there is room to say it.
    pub(crate) fn say_end(&mut self, io: &mut impl Io, slot: u32) {
        if self.joined && !self.tls.is_handshaking() && self.fault.is_none() {
            self.tls.send_close_notify();
        }
        if self.joined {
            let _ = self.flush(io, slot);
        }
    }
}

/// A connection as something to write to.
struct Wire<'a, I> {
    io: &'a mut I,
    slot: u32,
}

impl<I: Io> Write for Wire<'_, I> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.io.send(self.slot, bytes)
    }

    /// The small messages of a handshake's flight leave together; a large record leaves alone.
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let Some(first) = pieces.first() else { return Ok(0) };
        if pieces.len() == 1 || first.len() >= FLIGHT_BYTES {
            return self.io.send(self.slot, first);
        }
        let (mut flight, mut length) = ([0; FLIGHT_BYTES], 0);
        for piece in pieces {
            let count = piece.len().min(FLIGHT_BYTES - length);
            flight[length..length + count].copy_from_slice(&piece[..count]);
            length += count;
        }
        self.io.send(self.slot, &flight[..length])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
