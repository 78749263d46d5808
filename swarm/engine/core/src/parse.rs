//! Answers as they come: an incremental HTTP/1.1 response parser that keeps nothing of a body.
//!
//! `httparse` reads the head; where the body ends is decided here, strictly, for an answer that can be read in two ways
//! would put every later answer of its connection in the wrong place. Body bytes go to a [`Body`] where they lie.
//!
//! | state | leaves when | to |
//! |---|---|---|
//! | Head | the empty line came; again for a 1xx | Fixed, Size, UntilClose or done |
//! | Fixed | content-length bytes came | done |
//! | Size → Data → DataEnd → Size … | a chunk of size 0 | Trailer |
//! | Trailer | the empty line came | done |
//! | UntilClose | the peer closed | done |
//!
//! Memory is bounded: only an unfinished head is kept, up to [`Limits::head_bytes`] and the read that went beyond.
//!
//! Source: RFC 9112 sections 6 and 7.

use std::mem::MaybeUninit;

use crate::framing::{BodyEnd, Framing};

pub use crate::hash::{BodyHash, body_hash};

/// How many header lines an answer may have.
pub const MAX_HEADERS: usize = 96;
/// How many interim answers (1xx) may come before the answer.
const MAX_INTERIM: u32 = 32;

/// How much a server may send where nothing of ours needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, of one chunk-size line, and of all trailers.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 32 * 1024 }
    }
}

/// The head of an answer as it was read, where it lies; interim heads (1xx) are not shown.
#[derive(Debug)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// The minor version of HTTP/1.
    pub version: u8,
    /// The words after the status.
    pub reason: &'a str,
    /// The header lines in their order.
    pub headers: &'a [httparse::Header<'a>],
}

/// What is done with an answer as it comes.
pub trait Body {
    /// Sees the head, once, before any byte of the body.
    #[inline]
    fn head(&mut self, _: &Head<'_>) {}

    /// Takes the next bytes of the body, in order.
    fn take(&mut self, bytes: &[u8]);
}

/// Only the count is wanted, which the parser keeps itself.
impl Body for () {
    fn take(&mut self, _: &[u8]) {}
}

/// An answer that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code, 200 to 999.
    pub status: u16,
    /// Bytes of the body without its framing.
    pub body_bytes: u64,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All were used and more are needed.
    More,
    /// The answer is complete after `used` of the bytes; what is left was never asked for.
    Done {
        /// The answer.
        answer: Answer,
        /// How many of the bytes belong to it.
        used: usize,
    },
}

/// Bytes that are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not an HTTP/1 head.
    #[error("the head is no HTTP/1 answer")]
    Head,
    /// The head, a chunk-size line or the trailers exceed the limit, or there are too many header lines.
    #[error("the head, a chunk's size line or the trailers are too large")]
    TooLarge,
    /// A content-length that is no number, or two that differ.
    #[error("the content-length is no number or contradicts another")]
    Length,
    /// A transfer-encoding that this version cannot have, or chunks that do not follow the grammar.
    #[error("the chunks cannot be read")]
    Chunk,
    /// Too many interim answers, or a switch of protocols that nobody asked for.
    #[error("an interim answer that was not asked for")]
    Interim,
    /// The connection ended before the answer did.
    #[error("the connection ended inside the answer")]
    Truncated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Fixed { left: u64 },
    Size { value: u64, digits: u8, line: usize, place: Place },
    Data { left: u64 },
    DataEnd { cr: bool },
    Trailer { all: usize, line: usize, cr: bool },
    UntilClose,
}

/// Where in a chunk-size line the parser stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Digits,
    Extension,
    LineFeed,
}

const SIZE: State = State::Size { value: 0, digits: 0, line: 0, place: Place::Digits };

/// The parser of one connection; [`Parser::begin`] makes it ready for the next answer.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    state: State,
    /// An unfinished head; empty when heads come in one piece.
    kept: Vec<u8>,
    /// How long `kept` must be before it is worth another try without an empty line in it.
    try_at: usize,
    head_only: bool,
    interim: u32,
    started: bool,
    status: u16,
    keep_alive: bool,
    body_bytes: u64,
}

impl Parser {
    /// Returns a parser that is ready for the answer to a request other than HEAD.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Head,
            kept: Vec::new(),
            try_at: 0,
            head_only: false,
            interim: 0,
            started: false,
            status: 0,
            keep_alive: false,
            body_bytes: 0,
        }
    }

    /// Forgets everything and waits for the answer to a request; to HEAD (`head_only`) none has a body.
    pub fn begin(&mut self, head_only: bool) {
        self.kept.clear();
        // One long head must not cost its connection that memory for good.
        self.kept.shrink_to(4 * 1024);
        *self = Self { kept: std::mem::take(&mut self.kept), head_only, ..Self::new(self.limits) };
    }

    /// Whether a byte of the answer has come.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Reads on.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are no answer; the connection is then of no use any more.
    #[inline]
    pub fn feed(&mut self, input: &[u8], body: &mut impl Body) -> Result<Progress, ParseError> {
        self.started |= !input.is_empty();
        let mut at = 0;
        while at < input.len() {
            let (used, done) = self.step(&input[at..], body)?;
            at += used;
            if done {
                return Ok(Progress::Done { answer: self.answer(), used: at });
            }
        }
        Ok(Progress::More)
    }

    /// Says what the answer is when the peer closes now.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] unless the answer is one that ends with its connection.
    pub fn close(&self) -> Result<Answer, ParseError> {
        match self.state {
            State::UntilClose => Ok(self.answer()),
            _ => Err(ParseError::Truncated),
        }
    }

    fn answer(&self) -> Answer {
        Answer { status: self.status, body_bytes: self.body_bytes, keep_alive: self.keep_alive }
    }

    /// Uses at least one byte; returns how many, and whether the answer is complete.
    fn step(&mut self, input: &[u8], body: &mut impl Body) -> Result<(usize, bool), ParseError> {
        match self.state {
            State::Head => self.head(input, body),
            State::Fixed { left } => {
                let used = self.pass(left, input, body);
                self.state = State::Fixed { left: left - used as u64 };
                Ok((used, left == used as u64))
            }
            State::UntilClose => Ok((self.pass(u64::MAX, input, body), false)),
            State::Data { left } => {
                let used = self.pass(left, input, body);
                let left = left - used as u64;
                self.state = if left == 0 { State::DataEnd { cr: false } } else { State::Data { left } };
                Ok((used, false))
            }
            State::Size { .. } => self.size(input[0]).map(|()| (1, false)),
            State::DataEnd { cr } => {
                self.state = match (cr, input[0]) {
                    (false, b'\r') => State::DataEnd { cr: true },
                    (true, b'\n') => SIZE,
                    _ => return Err(ParseError::Chunk),
                };
                Ok((1, false))
            }
            State::Trailer { .. } => self.trailer(input[0]).map(|done| (1, done)),
        }
    }

    fn pass(&mut self, left: u64, input: &[u8], body: &mut impl Body) -> usize {
        let used = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        body.take(&input[..used]);
        self.body_bytes += used as u64;
        used
    }

    fn size(&mut self, byte: u8) -> Result<(), ParseError> {
        let State::Size { value, digits, line, place } = self.state else { return Err(ParseError::Chunk) };
        if line >= self.limits.head_bytes {
            return Err(ParseError::TooLarge);
        }
        let line = line + 1;
        self.state = match (place, byte) {
            (Place::Digits, _) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                State::Size { value: value << 4 | u64::from(digit), digits: digits + 1, line, place }
            }
            (Place::Digits, b' ' | b'\t' | b';') if digits > 0 => {
                State::Size { value, digits, line, place: Place::Extension }
            }
            (Place::Digits, b'\r') if digits > 0 => State::Size { value, digits, line, place: Place::LineFeed },
            (Place::Extension, b'\r') => State::Size { value, digits, line, place: Place::LineFeed },
            (Place::Extension, _) if byte != b'\n' => State::Size { value, digits, line, place },
            (Place::LineFeed, b'\n') if value == 0 => State::Trailer { all: 0, line: 0, cr: false },
            (Place::LineFeed, b'\n') => State::Data { left: value },
            _ => return Err(ParseError::Chunk),
        };
        Ok(())
    }

    fn trailer(&mut self, byte: u8) -> Result<bool, ParseError> {
        let State::Trailer { all, line, cr } = self.state else { return Err(ParseError::Chunk) };
        if all >= self.limits.head_bytes {
            return Err(ParseError::TooLarge);
        }
        let all = all + 1;
        self.state = match (cr, byte) {
            (true, b'\n') if line == 0 => return Ok(true),
            (true, b'\n') => State::Trailer { all, line: 0, cr: false },
            (false, b'\r') => State::Trailer { all, line, cr: true },
            (false, byte) if byte != b'\n' => State::Trailer { all, line: line + 1, cr },
            _ => return Err(ParseError::Chunk),
        };
        Ok(false)
    }

    /// Reads a head from the input, or keeps the input for later.
    ///
    /// What is kept is tried again when an empty line came or it has doubled, so that a server that sends byte by byte
    /// costs time linear in what it sends.
    fn head(&mut self, input: &[u8], body: &mut impl Body) -> Result<(usize, bool), ParseError> {
        let before = self.kept.len();
        if before == 0 {
            if let Some(result) = self.read_head(input, body)? {
                return Ok(result);
            }
            self.kept.extend_from_slice(input);
            self.try_at = 2 * input.len();
        } else {
            self.kept.extend_from_slice(input);
            let full = self.kept.len() > self.limits.head_bytes;
            if full || self.kept.len() >= self.try_at || has_empty_line(&self.kept[before.saturating_sub(2)..]) {
                let kept = std::mem::take(&mut self.kept);
                let read = self.read_head(&kept, body);
                self.kept = kept;
                if let Some((used, done)) = read? {
                    self.kept.clear();
                    return Ok((used - before, done));
                }
                self.try_at = 2 * self.kept.len();
            }
        }
        if self.kept.len() > self.limits.head_bytes {
            return Err(ParseError::TooLarge);
        }
        Ok((input.len(), false))
    }

    fn read_head(&mut self, bytes: &[u8], body: &mut impl Body) -> Result<Option<(usize, bool)>, ParseError> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
        let used = match parsed {
            Ok(httparse::Status::Complete(used)) if used <= self.limits.head_bytes => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
                return Err(ParseError::TooLarge);
            }
            Err(_) => return Err(ParseError::Head),
        };
        let status = response.code.ok_or(ParseError::Head)?;
        if status < 200 {
            self.interim += 1;
            let refused = status < 100 || status == 101 || self.interim > MAX_INTERIM;
            return if refused { Err(ParseError::Interim) } else { Ok(Some((used, false))) };
        }
        let framing = Framing::of(response.headers)?;
        let version = response.version.unwrap_or(0);
        body.head(&Head { status, version, reason: response.reason.unwrap_or_default(), headers: response.headers });
        self.status = status;
        self.keep_alive = framing.keep_alive(version);
        let bodyless = self.head_only || status == 204 || status == 304;
        self.state = match framing.body_end(version) {
            _ if bodyless => State::Fixed { left: 0 },
            Ok(BodyEnd::Length(left)) => State::Fixed { left },
            Ok(BodyEnd::Chunks) => SIZE,
            Ok(BodyEnd::Close) => State::UntilClose,
            Err(error) => return Err(error),
        };
        self.keep_alive &= self.state != State::UntilClose;
        Ok(Some((used, self.state == State::Fixed { left: 0 })))
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}
