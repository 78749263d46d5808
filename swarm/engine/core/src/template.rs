//! Requests from templates: compiled once per endpoint, filled per pool user into a reused buffer.
//!
//! `{column}` in path, header or body stands for the user's value in that column, and `{request_id}` for a text that no
//! other request of the run has, the same wherever it stands in one request; other braces are literal. Values in
//! the path are percent-encoded, all but letters, digits and `_.-~` (RFC 3986 section 2.3), as the Python side does.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A column of the pool: one text per user, in one block of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Column {
    /// Returns the value of a user.
    ///
    /// # Panics
    /// When there is no such user.
    #[inline]
    #[must_use]
    pub fn get(&self, user: u32) -> &[u8] {
        let at = user as usize;
        let from = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.bytes[from..self.ends[at] as usize]
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len() as u32).map(|user| self.get(user))
    }

    fn quoted(&self) -> Self {
        self.values().map(quoted).collect()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Column {
    /// # Panics
    /// When the texts together exceed 4 GiB.
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut column = Self::default();
        for text in texts {
            column.bytes.extend_from_slice(text.as_ref());
            column.ends.push(u32::try_from(column.bytes.len()).expect("a column holds less than 4 GiB"));
        }
        column
    }
}

/// Percent-encodes a value for use inside one segment of a path or query.
#[must_use]
pub fn quoted(value: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(value.len());
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out.into_bytes()
}

/// What the templates are filled from: columns by name, all of the same length.
#[derive(Clone, Debug, Default)]
pub struct Columns(HashMap<String, Arc<Column>>);

impl Columns {
    /// Adds a column.
    pub fn insert(&mut self, name: impl Into<String>, column: Column) {
        self.0.insert(name.into(), Arc::new(column));
    }

    /// Whether there is no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many users every column has; None when there is no column or their lengths differ.
    #[must_use]
    pub fn users(&self) -> Option<usize> {
        let mut lengths = self.0.values().map(|column| column.len());
        let first = lengths.next()?;
        lengths.all(|length| length == first).then_some(first)
    }
}

/// The place that a request's own id takes.
pub const REQUEST_ID: &str = "request_id";

/// Names one request among all of a run: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestId {
    /// What tells this plan's run from every other, [`crate::plan::Plan::ids`].
    pub ids: u64,
    /// The sending thread.
    pub thread: u16,
    /// Which of the thread's requests; 48 bits of it count.
    pub number: u64,
}

impl RequestId {
    /// How long an id is.
    pub const BYTES: usize = 32;

    fn append(self, out: &mut Vec<u8>) {
        let Self { ids, thread, number } = self;
        let value = u128::from(ids) << 64 | u128::from(thread) << 48 | u128::from(number & 0xFFFF_FFFF_FFFF);
        let digit = |shift: usize| b"0123456789abcdef"[(value >> shift) as usize & 15];
        out.extend((0..Self::BYTES).rev().map(|place| digit(4 * place)));
    }
}

/// A request as the plan writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpec {
    /// An HTTP method.
    pub method: String,
    /// Path and query, with `{column}` places.
    pub path: String,
    /// Header names and values, values with `{column}` places; Host and Content-Length are added where missing.
    pub headers: Vec<(String, String)>,
    /// The body, with `{column}` places.
    pub body: Option<String>,
}

impl RequestSpec {
    /// Returns a GET without headers.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET".into(), path: path.into(), headers: Vec::new(), body: None }
    }
}

/// A request that cannot be sent as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A place names no column.
    #[error("{{{name}}} in {text:?}: the pool has no such column; it has {known}")]
    NoColumn {
        /// The name in the place.
        name: String,
        /// The template.
        text: String,
        /// The names that there are.
        known: String,
    },
    /// The method is not a token.
    #[error("method {0:?} is no HTTP method: give capital letters, such as GET")]
    Method(String),
    /// The path is not one.
    #[error("path {0:?} cannot be sent: it must begin with / and hold only visible ASCII")]
    Path(String),
    /// A header's name is not a token.
    #[error("header name {0:?} cannot be sent: give letters, digits and -")]
    HeaderName(String),
    /// A header's value, or a user's value in it, has a control character.
    #[error("header {0:?} cannot be sent: its value holds a control character such as a line end")]
    HeaderValue(String),
    /// The header frames the message and is the engine's own.
    #[error("header {0:?} is set by the engine: leave it out")]
    Reserved(String),
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Column(Arc<Column>),
    /// The request's own id.
    Id,
    /// The target's address, different per instance.
    Host,
    /// The length of the body in decimal.
    Length,
}

/// A compiled request.
#[derive(Clone, Debug)]
pub struct Request {
    head: Vec<Piece>,
    body: Vec<Piece>,
    method: Box<str>,
    literal_bytes: usize,
}

impl Request {
    /// Compiles a request.
    ///
    /// # Errors
    /// [`TemplateError`] for the first part that cannot be sent, users' values included.
    pub fn compile(spec: &RequestSpec, columns: &Columns) -> Result<Self, TemplateError> {
        if spec.method.is_empty() || !spec.method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(TemplateError::Method(spec.method.clone()));
        }
        if !spec.path.starts_with('/') || !spec.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TemplateError::Path(spec.path.clone()));
        }
        let mut head = Pieces::default();
        head.literal(spec.method.as_bytes());
        head.literal(b" ");
        head.template(&spec.path, columns, Use::Path)?;
        head.literal(b" HTTP/1.1\r\n");
        if !spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.literal(b"Host: ");
            head.push(Piece::Host);
            head.literal(b"\r\n");
        }
        for (name, value) in &spec.headers {
            header(&mut head, name, value, columns)?;
        }
        // A method that has a meaning for a body announces an empty one (RFC 9110 section 8.6).
        if spec.body.is_some() || ["POST", "PUT", "PATCH"].contains(&&*spec.method) {
            head.literal(b"Content-Length: ");
            head.push(Piece::Length);
            head.literal(b"\r\n");
        }
        head.literal(b"\r\n");
        let mut body = Pieces::default();
        body.template(spec.body.as_deref().unwrap_or_default(), columns, Use::Body)?;
        let literal_bytes = head.literal_bytes() + body.literal_bytes();
        Ok(Self { head: head.0, body: body.0, method: spec.method.as_str().into(), literal_bytes })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Whether sending it twice is the same as sending it once (RFC 9110 section 9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].contains(&&*self.method)
    }

    /// Replaces `out` by the request of one user to one host; takes memory only when `out` was never as large.
    ///
    /// # Panics
    /// When there is no such user.
    pub fn render(&self, user: u32, id: RequestId, host: &[u8], out: &mut Vec<u8>) {
        out.clear();
        // What a fresh buffer takes at once, so that it does not grow step by step.
        out.reserve(self.literal_bytes + 256);
        for piece in &self.head {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Column(column) => out.extend_from_slice(column.get(user)),
                Piece::Id => id.append(out),
                Piece::Host => out.extend_from_slice(host),
                Piece::Length => out.extend_from_slice(itoa::Buffer::new().format(self.body_bytes(user)).as_bytes()),
            }
        }
        for piece in &self.body {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Column(column) => out.extend_from_slice(column.get(user)),
                Piece::Id => id.append(out),
                Piece::Host | Piece::Length => {}
            }
        }
    }

    fn body_bytes(&self, user: u32) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Literal(bytes) => bytes.len(),
            Piece::Column(column) => column.get(user).len(),
            Piece::Id => RequestId::BYTES,
            Piece::Host | Piece::Length => 0,
        };
        self.body.iter().map(length).sum()
    }
}

fn header(head: &mut Pieces, name: &str, value: &str, columns: &Columns) -> Result<(), TemplateError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(TemplateError::HeaderName(name.into()));
    }
    if ["content-length", "transfer-encoding", "connection", "upgrade"].iter().any(|own| name.eq_ignore_ascii_case(own))
    {
        return Err(TemplateError::Reserved(name.into()));
    }
    head.literal(name.as_bytes());
    head.literal(b": ");
    head.template(value, columns, Use::Header(name))?;
    head.literal(b"\r\n");
    Ok(())
}

/// Where a template stands, which decides what its values may hold.
#[derive(Clone, Copy)]
enum Use<'a> {
    Path,
    Header(&'a str),
    Body,
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn push(&mut self, piece: Piece) {
        self.0.push(piece);
    }

    fn literal_bytes(&self) -> usize {
        self.0.iter().map(|piece| if let Piece::Literal(bytes) = piece { bytes.len() } else { 0 }).sum()
    }

    /// Adds bytes to the literal at the end, so that a request is as few copies as it can be.
    fn literal(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            Some(Piece::Literal(last)) => *last = [last, bytes].concat().into(),
            _ if bytes.is_empty() => {}
            _ => self.0.push(Piece::Literal(bytes.into())),
        }
    }

    fn template(&mut self, text: &str, columns: &Columns, place: Use<'_>) -> Result<(), TemplateError> {
        let checked = |value: &[u8]| match place {
            Use::Header(name) if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') => {
                Err(TemplateError::HeaderValue(name.into()))
            }
            _ => Ok(()),
        };
        let mut rest = text;
        while let Some((literal, name, after)) = next_place(rest) {
            checked(literal.as_bytes())?;
            self.literal(literal.as_bytes());
            rest = after;
            if name == REQUEST_ID {
                self.push(Piece::Id);
                continue;
            }
            let column = columns.0.get(name).ok_or_else(|| no_column(name, text, columns))?;
            column.values().try_for_each(checked)?;
            let quoted = matches!(place, Use::Path);
            self.push(Piece::Column(if quoted { Arc::new(column.quoted()) } else { Arc::clone(column) }));
        }
        checked(rest.as_bytes())?;
        self.literal(rest.as_bytes());
        Ok(())
    }
}

/// Splits a template at its first place: the text before, the column's name, the text after.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let opens = text.match_indices('{').map(|(at, _)| at);
    opens.into_iter().find_map(|open| {
        let (name, after) = text[open + 1..].split_once('}')?;
        let named = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        named.then_some((&text[..open], name, after))
    })
}

fn no_column(name: &str, text: &str, columns: &Columns) -> TemplateError {
    let mut known: Vec<&str> = columns.0.keys().map(String::as_str).collect();
    known.sort_unstable();
    TemplateError::NoColumn { name: name.into(), text: text.into(), known: known.join(", ") }
}
