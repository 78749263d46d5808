//! Where a body ends, by its head's lines (RFC 9112 section 6.3).

use crate::parse::ParseError;

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunks,
    /// With the connection.
    Close,
}

/// What the header lines say about where the body ends.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    length: Option<u64>,
    encoded: bool,
    /// The last transfer coding is `chunked`.
    chunked: bool,
    close: bool,
    keep: bool,
}

impl Framing {
    /// Reads the lines.
    pub(crate) fn of(headers: &[httparse::Header<'_>]) -> Result<Self, ParseError> {
        let mut framing = Self::default();
        for header in headers {
            // The lengths of the three names, so that all other headers cost one comparison.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => framing.add_length(header.value)?,
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => framing.add_coding(header.value)?,
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    framing.close |= tokens(header.value).any(|token| token.eq_ignore_ascii_case(b"close"));
                    framing.keep |= tokens(header.value).any(|token| token.eq_ignore_ascii_case(b"keep-alive"));
                }
                _ => {}
            }
        }
        Ok(framing)
    }

    fn add_length(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for token in tokens(value) {
            let digits = std::str::from_utf8(token).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = digits.and_then(|text| text.parse().ok()).ok_or(ParseError::Length)?;
            if self.length.replace(length).is_some_and(|before| before != length) {
                return Err(ParseError::Length);
            }
        }
        self.length.map(|_| ()).ok_or(ParseError::Length)
    }

    fn add_coding(&mut self, value: &[u8]) -> Result<(), ParseError> {
        self.encoded = true;
        for token in tokens(value) {
            if self.chunked {
                return Err(ParseError::Chunk); // chunked twice, or not last
            }
            self.chunked = token.eq_ignore_ascii_case(b"chunked");
        }
        Ok(())
    }

    /// Whether the connection may carry another request.
    pub(crate) fn keep_alive(&self, version: u8) -> bool {
        // Both framings at once may be an attempt to be read in two ways: the connection ends (RFC 9112 section 6.1).
        !self.close && (version == 1 || self.keep) && !(self.encoded && self.length.is_some())
    }

    /// Says where the body ends.
    pub(crate) fn body_end(&self, version: u8) -> Result<BodyEnd, ParseError> {
        match (self.encoded, self.chunked, self.length) {
            (true, _, _) if version == 0 => Err(ParseError::Chunk),
            (_, true, _) => Ok(BodyEnd::Chunks),
            (true, false, _) | (false, _, None) => Ok(BodyEnd::Close),
            (false, _, Some(length)) => Ok(BodyEnd::Length(length)),
        }
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
