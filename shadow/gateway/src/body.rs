//! Bodies on their way through: passed on frame by frame, copied within a bound, counted against a limit.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

/// A body that is sent: bytes at hand, or a stream from the other hop. Trailers end with their hop.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Full(Option<Bytes>),
    Stream(Box<Stream>),
}

struct Stream {
    /// What was taken of it before; it goes first.
    taken: Option<Bytes>,
    inner: Incoming,
    left: u64,
    copy: Option<SharedCopy>,
    end: Option<Box<dyn Ended>>,
    state: End,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it was passed on.
    Complete,
    /// The hop that it came from failed.
    Failed,
    /// The hop that it went to took no more.
    Abandoned,
}

/// Told once, when a stream is over.
pub trait Ended: Send {
    /// The stream ended like this.
    fn ended(self: Box<Self>, end: End);
}

/// A bounded copy of what passed; shared, because the stream itself is given away.
pub type SharedCopy = Arc<Mutex<Copy>>;

/// The bytes that passed, as long as they are within the bound.
#[derive(Debug, Default)]
pub struct Copy {
    bytes: Vec<u8>,
    limit: usize,
    over: bool,
}

/// Why a stream broke.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body is longer than allowed")]
    TooLarge,
    /// Its source failed.
    #[error(transparent)]
    Source(#[from] hyper::Error),
}

impl Copy {
    /// An empty copy that takes up to `limit` bytes.
    #[must_use]
    pub fn shared(limit: usize) -> SharedCopy {
        Arc::new(Mutex::new(Self { limit, ..Self::default() }))
    }

    /// Adds a piece, or forgets everything when it is more than the bound.
    pub fn push(&mut self, piece: &[u8]) {
        if self.over || self.bytes.len() + piece.len() > self.limit {
            self.over = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// The bytes; none when they were more than the bound.
    #[must_use]
    pub fn take(copy: &SharedCopy) -> Option<Vec<u8>> {
        let mut copy = copy.lock().unwrap_or_else(PoisonError::into_inner);
        (!copy.over).then(|| std::mem::take(&mut copy.bytes))
    }
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// These bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// What comes in, up to `limit` bytes, copied on the way; `end` is told when it is over.
    #[must_use]
    pub fn stream(inner: Incoming, limit: u64, copy: Option<SharedCopy>, end: Option<Box<dyn Ended>>) -> Self {
        Self(Kind::Stream(Box::new(Stream { taken: None, inner, left: limit, copy, end, state: End::Abandoned })))
    }

    /// The rest of what comes in, after the bytes that were taken of it; `end` is told when it is over.
    #[must_use]
    pub fn resumed(taken: Bytes, inner: Incoming, end: Box<dyn Ended>) -> Self {
        let taken = Some(taken).filter(|bytes| !bytes.is_empty());
        let stream = Stream { taken, inner, left: u64::MAX, copy: None, end: Some(end), state: End::Abandoned };
        Self(Kind::Stream(Box::new(stream)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(stream) => stream.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Stream(stream) => stream.taken.is_none() && stream.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

impl Stream {
    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        if let Some(taken) = &self.taken {
            let (more, upper) = (taken.len() as u64, hint.upper());
            hint.set_lower(0);
            if let Some(upper) = upper {
                hint.set_upper(upper + more);
            }
            hint.set_lower(self.inner.size_hint().lower() + more);
        }
        hint
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(taken) = self.taken.take() {
            return Poll::Ready(Some(Ok(Frame::data(taken))));
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(fault))) => {
                self.state = End::Failed;
                return Poll::Ready(Some(Err(fault.into())));
            }
            Poll::Ready(None) => {
                self.state = End::Complete;
                return Poll::Ready(None);
            }
        };
        let Some(data) = frame.data_ref() else {
            self.state = End::Complete;
            return Poll::Ready(None);
        };
        let Some(left) = self.left.checked_sub(data.len() as u64) else {
            self.state = End::Failed;
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        };
        self.left = left;
        if let Some(copy) = &self.copy {
            copy.lock().unwrap_or_else(PoisonError::into_inner).push(data);
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.state == End::Abandoned && self.taken.is_none() && self.inner.is_end_stream() {
            self.state = End::Complete;
        }
        if let Some(end) = self.end.take() {
            end.ended(self.state);
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stream").field("left", &self.left).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_body_is_over_before_it_is_asked() {
        for body in [Body::empty(), Body::full(Bytes::new())] {
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
        }
        assert_eq!(Body::full(Bytes::from_static(b"abc")).size_hint().exact(), Some(3));
    }

    proptest! {
        #[test]
        fn a_copy_is_all_that_passed_or_nothing(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20), limit in 0..400_usize) {
            let copy = Copy::shared(limit);
            for piece in &pieces {
                copy.lock().expect("not poisoned").push(piece);
            }
            let all = pieces.concat();
            let expected = (all.len() <= limit).then_some(all);
            prop_assert_eq!(Copy::take(&copy), expected);
        }
    }
}
