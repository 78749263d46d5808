//! How a request ended: the answer in one block of memory, or why there is none.

use crate::parse::{Body, Head};
use crate::tally::Cause;

/// What is reserved for a body before any of it came; what a server only announces costs no more than this.
const AHEAD_BYTES: usize = 1024 * 1024;
/// What is reserved together with the head, so that a small answer is one allocation.
const SMALL_BYTES: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection could be opened.
    Connect,
    /// The connection opened, but could not be made secure.
    Tls,
    /// Connecting, or the next byte of the answer, took too long.
    Timeout,
    /// The connection ended before the answer did.
    Reset,
    /// The answer was not HTTP, or exceeded a limit.
    Other,
    /// The client ended before the answer came.
    Stopped,
}

impl Fault {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Other => "other",
            Self::Stopped => "stopped",
        }
    }
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Connect => Self::Connect,
            Cause::Tls => Self::Tls,
            Cause::Timeout => Self::Timeout,
            Cause::Reset => Self::Reset,
            Cause::Stopped => Self::Stopped,
            Cause::Other | Cause::Status(_) | Cause::Header | Cause::Body => Self::Other,
        }
    }
}

/// How a request ended. Moments are of the monotonic clock in ns, 0 when they never came.
#[derive(Debug, Default)]
pub struct Reply {
    /// The status; 0 when there was no answer.
    pub status: u16,
    /// The minor version of HTTP/1.
    pub version: u8,
    /// Why there is no answer, in a word and in more of them.
    pub fault: Option<(Fault, Box<str>)>,
    /// Bytes of the body as they came, without framing.
    pub raw_bytes: u64,
    /// When it was asked for.
    pub submitted_ns: u64,
    /// When it was sent, at last.
    pub sent_ns: u64,
    /// When the first byte of the answer came; 0 without an answer.
    pub first_byte_ns: u64,
    /// When the answer was complete, or could not come any more.
    pub done_ns: u64,
    pub(crate) text: Text,
}

impl Reply {
    /// The words after the status.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        &self.text.bytes[..self.text.reason_bytes]
    }

    /// The header lines in their order, values without the spaces around them.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let block = &self.text.bytes[self.text.reason_bytes..self.text.head_bytes];
        let lines = block.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], &line[colon + 1..]))
        })
    }

    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether the answer asks nothing more of its reader: one of the registered successes (200 to 208, 226) that sets no
    /// cookie and is not encoded.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.status, 200..=208 | 226) && self.fault.is_none() && !self.text.is_special
    }

    /// The body as it came, without framing.
    #[must_use]
    pub fn raw_body(&self) -> &[u8] {
        &self.text.bytes[self.text.head_bytes..]
    }
}

/// An answer's text in one block: the reason, `name:value\n` per header line, the body.
#[derive(Debug, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    reason_bytes: usize,
    head_bytes: usize,
    version: u8,
    announced: usize,
    /// The head has a Set-Cookie or a Content-Encoding.
    is_special: bool,
    /// The body was larger than it may be; the rest was not kept.
    pub(crate) too_large: bool,
    pub(crate) max_body_bytes: usize,
}

impl Text {
    pub(crate) fn new(max_body_bytes: usize) -> Self {
        Self { max_body_bytes, ..Self::default() }
    }

    pub(crate) fn version(&self) -> u8 {
        self.version
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[inline]
fn is_special(name: &str) -> bool {
    match name.len() {
        10 => name.eq_ignore_ascii_case("set-cookie"),
        16 => name.eq_ignore_ascii_case("content-encoding"),
        _ => false,
    }
}

impl Body for Text {
    fn head(&mut self, head: &Head<'_>) {
        let text: usize = head.headers.iter().map(|header| header.name.len() + header.value.len() + 2).sum();
        let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
        self.announced = length.unwrap_or(0);
        self.bytes.clear();
        self.bytes.reserve_exact(head.reason.len() + text + self.announced.min(SMALL_BYTES));
        self.bytes.extend_from_slice(head.reason.as_bytes());
        self.reason_bytes = self.bytes.len();
        for header in head.headers {
            self.is_special |= is_special(header.name);
            self.bytes.extend_from_slice(header.name.as_bytes());
            self.bytes.push(b':');
            self.bytes.extend_from_slice(header.value.trim_ascii());
            self.bytes.push(b'\n');
        }
        self.head_bytes = self.bytes.len();
        self.version = head.version;
    }

    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        let length = self.bytes.len() - self.head_bytes;
        if self.too_large || length + bytes.len() > self.max_body_bytes {
            self.too_large = true;
            return;
        }
        if length == 0 && self.announced > SMALL_BYTES {
            self.bytes.reserve_exact(self.announced.clamp(bytes.len(), AHEAD_BYTES.max(bytes.len())));
        }
        self.bytes.extend_from_slice(bytes);
    }
}
