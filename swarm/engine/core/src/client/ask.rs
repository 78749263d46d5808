//! A request as a native user asks for it: checked so that it cannot be read in two ways, and rendered into one buffer.

/// A request; nothing of it is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The method, a token.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Ready lines `Name: value\r\n`; Host and Content-Length are added unless they are there.
    pub headers: &'a [u8],
    /// The body.
    pub body: Option<&'a [u8]>,
}

/// A request that cannot be framed safely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The method is no token, or one that changes what the connection is.
    #[error("method {0:?} cannot be sent: give a token such as GET; CONNECT is not spoken")]
    Method(String),
    /// The target is no path.
    #[error("target {0:?} cannot be sent: it must begin with / (or be *) and hold only visible ASCII")]
    Target(String),
    /// A line is no `Name: value\r\n`.
    #[error("header line {0:?} cannot be sent: give \"Name: value\" and CR LF, without other control characters")]
    Line(String),
    /// Two lines that frame the message or name its host.
    #[error("header {0} stands twice: give it once")]
    Twice(&'static str),
    /// A length that is not the body's.
    #[error("content-length {given:?} is not the {actual} bytes of the body: leave it out, it is added")]
    Length {
        /// What the line says.
        given: String,
        /// Bytes of the body.
        actual: usize,
    },
    /// Bodies are sent by their length.
    #[error("header transfer-encoding cannot be sent: leave it out, a body is sent by its length")]
    TransferEncoding,
}

/// What follows from a block of header lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    host: bool,
    length: Option<usize>,
    close: bool,
}

/// What follows from a request for its exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Its answer has no body.
    pub(crate) head_only: bool,
    /// Sending it twice is the same as sending it once (RFC 9110 section 9.2.2).
    pub(crate) idempotent: bool,
    /// The connection ends with it.
    pub(crate) close: bool,
}

/// Whether a path is a target as it stands: it begins with one slash and holds nothing that a client would write in
/// another way, nor a fragment, nor a query that is empty.
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.first() == Some(&b'/')
        && bytes.get(1) != Some(&b'/')
        && bytes.last() != Some(&b'?')
        && bytes.iter().all(|&byte| PLAIN[usize::from(byte)])
}

const PLAIN: [bool; 256] = {
    let (mut table, others, mut at) = ([false; 256], b"/-._~?&=:,@!$'()*+", 0);
    while at < table.len() {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

impl Ask<'_> {
    /// Appends the request to `out`; on an error `out` is of no use.
    pub(crate) fn render(&self, host: &str, lines: Lines, out: &mut Vec<u8>) -> Result<Traits, AskError> {
        let (traits, wants_length) = self.traits(lines)?;
        if !is_target(self.target) {
            return Err(AskError::Target(self.target.into()));
        }
        let body = self.body.unwrap_or_default();
        out.reserve(self.method.len() + self.target.len() + host.len() + self.headers.len() + body.len() + 64);
        for bytes in [self.method.as_bytes(), b" ", self.target.as_bytes(), b" HTTP/1.1\r\n"] {
            out.extend_from_slice(bytes);
        }
        if !lines.host {
            for bytes in [b"Host: ", host.as_bytes(), b"\r\n"] {
                out.extend_from_slice(bytes);
            }
        }
        out.extend_from_slice(self.headers);
        match lines.length {
            Some(given) if given != body.len() => {
                return Err(AskError::Length { given: given.to_string(), actual: body.len() });
            }
            None if self.body.is_some() || wants_length => {
                for bytes in [b"Content-Length: ", itoa::Buffer::new().format(body.len()).as_bytes(), b"\r\n"] {
                    out.extend_from_slice(bytes);
                }
            }
            _ => {}
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        Ok(traits)
    }

    /// Returns what follows from the method, and whether it announces an empty body (RFC 9110 section 8.6).
    fn traits(&self, lines: Lines) -> Result<(Traits, bool), AskError> {
        let (head_only, idempotent, wants_length) = match self.method {
            "GET" | "OPTIONS" | "DELETE" | "TRACE" => (false, true, false),
            "POST" | "PATCH" => (false, false, true),
            "PUT" => (false, true, true),
            "HEAD" => (true, true, false),
            other if other.is_empty() || other.eq_ignore_ascii_case("CONNECT") || !other.bytes().all(is_token) => {
                return Err(AskError::Method(other.into()));
            }
            _ => (false, false, false),
        };
        Ok((Traits { head_only, idempotent, close: lines.close }, wants_length))
    }
}

impl Lines {
    /// Checks a block of header lines.
    pub(crate) fn of(block: &[u8]) -> Result<Self, AskError> {
        let mut lines = Self::default();
        let mut rest = block;
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            lines.add(line)?;
            rest = after;
        }
        Ok(lines)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), AskError> {
        let bad = || AskError::Line(String::from_utf8_lossy(line).into_owned());
        let line = line.strip_suffix(b"\r\n").ok_or_else(bad)?;
        let colon = line.iter().position(|&byte| byte == b':').ok_or_else(bad)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let visible = |&byte: &u8| byte == b'\t' || !byte.is_ascii_control();
        if name.is_empty() || !name.iter().copied().all(is_token) || !value.iter().all(visible) {
            return Err(bad());
        }
        let value = value.trim_ascii();
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") && std::mem::replace(&mut self.host, true) => {
                Err(AskError::Twice("host"))
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.add_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => Err(AskError::TransferEncoding),
            10 if name.eq_ignore_ascii_case(b"connection") => {
                let mut tokens = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                self.close |= tokens.any(|token| token.eq_ignore_ascii_case(b"close"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_length(&mut self, value: &[u8]) -> Result<(), AskError> {
        let text = String::from_utf8_lossy(value);
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let length = digits.then(|| text.parse().ok()).flatten();
        let length = length.ok_or_else(|| AskError::Length { given: text.into_owned(), actual: 0 })?;
        if self.length.replace(length).is_some() { Err(AskError::Twice("content-length")) } else { Ok(()) }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_target(target: &str) -> bool {
    (target.starts_with('/') || target == "*") && target.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(method: &str, target: &str, headers: &[u8], body: Option<&[u8]>) -> Result<(String, Traits), AskError> {
        let mut out = Vec::new();
        let traits = Ask { method, target, headers, body }.render("h:1", Lines::of(headers)?, &mut out)?;
        Ok((String::from_utf8(out).expect("text"), traits))
    }

    #[test]
    fn host_and_length_are_added_where_they_are_missing() {
        let (text, traits) = rendered("GET", "/a?b=1", b"Accept: */*\r\n", None).expect("it can be sent");
        assert_eq!(text, "GET /a?b=1 HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\n\r\n");
        assert_eq!(traits, Traits { head_only: false, idempotent: true, close: false });
        let (text, _) = rendered("POST", "/", b"", None).expect("it can be sent");
        assert_eq!(text, "POST / HTTP/1.1\r\nHost: h:1\r\nContent-Length: 0\r\n\r\n");
        let own = b"host: x\r\ncontent-length: 2\r\nConnection: a, Close\r\n";
        let (text, traits) = rendered("PUT", "/", own, Some(b"ab")).expect("it can be sent");
        assert_eq!(text, format!("PUT / HTTP/1.1\r\n{}\r\nab", String::from_utf8_lossy(own)));
        assert!(traits.close);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for method in ["", "GET /x", "G\r\nET", "CONNECT", "GÉT"] {
            assert!(matches!(rendered(method, "/", b"", None), Err(AskError::Method(_))), "{method:?}");
        }
        for target in ["", "x", "/a b", "/a\r\nX: y", "/ä", "/a\0"] {
            assert!(matches!(rendered("GET", target, b"", None), Err(AskError::Target(_))), "{target:?}");
        }
        let lines: [&[u8]; 12] = [
            b"\r\n",
            b"X\r\n",
            b": y\r\n",
            b"X : y\r\n",
            b"X: y",
            b"X: y\n",
            b"X: a\rb\r\n",
            b"X: a\r\r\n",
            b"X:\ra\r\n",
            b"X: a\x0c\r\n",
            b"X: a\0\r\n",
            b"X: y\r\n\r\nGET",
        ];
        for line in lines {
            assert!(matches!(rendered("GET", "/", line, None), Err(AskError::Line(_))), "{line:?}");
        }
        let twice = rendered("GET", "/", b"Host: a\r\nHOST: a\r\n", None);
        assert_eq!(twice, Err(AskError::Twice("host")));
        let coded = rendered("POST", "/", b"Transfer-Encoding: chunked\r\n", Some(b"0\r\n\r\n"));
        assert_eq!(coded, Err(AskError::TransferEncoding));
        for length in ["3", "", "+2", "2, 2", "99999999999999999999999"] {
            let line = format!("Content-Length: {length}\r\n");
            assert!(matches!(rendered("POST", "/", line.as_bytes(), Some(b"ab")), Err(AskError::Length { .. })));
        }
    }

    #[test]
    fn a_plain_path_begins_with_one_slash_and_holds_nothing_to_rewrite() {
        for path in ["/", "/a", "/a//b?c=d&e", "/~a.b-c_d/:@!$'()*+,="] {
            assert!(is_plain_path(path), "{path}");
        }
        for path in ["", "a", "*", "//", "//a", "/a?", "/a#b", "/a b", "/a%20", "/ä", "/a;b", "/a\"b", "/[a]", "/a\r\n"]
        {
            assert!(!is_plain_path(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_path_is_sent_as_it_is(path in "/[ -~]{0,6}") {
            let ask = Ask { method: "GET", target: &path, headers: b"", body: None };
            prop_assert!(!is_plain_path(&path) || ask.render("h", Lines::default(), &mut Vec::new()).is_ok());
        }

        #[test]
        fn what_is_sent_is_read_as_one_request_and_the_same(
            method in "[A-Za-z !\r\n-]{1,6}",
            target in "/[ -~\r\n]{0,8}",
            lines in prop::collection::vec("[A-Za-z :-]{0,16}: [ -~\t\r\n\0]{0,12}", 0..4),
            body in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
        ) {
            let headers: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut out = Vec::new();
            let ask = Ask { method: &method, target: &target, headers: headers.as_bytes(), body: body.as_deref() };
            let Ok(lines) = Lines::of(ask.headers) else { return Ok(()) };
            if ask.render("h", lines, &mut out).is_err() { return Ok(()) }
            let mut parsed = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut parsed);
            let head = request.parse(&out).expect("it can be read").unwrap();
            prop_assert_eq!((request.method, request.path), (Some(&*method), Some(&*target)));
            prop_assert_eq!(&out[head..], body.as_deref().unwrap_or_default());
            let named = |name: &str| request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case(name)).count();
            let needs_length = body.is_some_and(|body| !body.is_empty());
            prop_assert_eq!((named("host"), named("transfer-encoding")), (1, 0));
            prop_assert!(named("content-length") <= 1 && (!needs_length || named("content-length") == 1));
        }
    }
}
