//! One answer of a side, taken whole before its head goes to the caller, as far as the bound on bodies allows.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderMap;
use hyper::{StatusCode, Version};

use crate::body::Body;
use crate::headers::strip_hop_by_hop;
use crate::upstream::{AskError, Failure, Head, Instance, Lease, Pools, Side, Told, ask_telling};

/// A safe request with all that it says, as often as it is asked.
#[derive(Debug)]
pub(super) struct Question {
    /// The index of its route.
    pub(super) route: usize,
    /// All but its body.
    pub(super) head: Head,
    /// Its body.
    pub(super) body: Bytes,
    /// Bytes of an answer that are taken at most.
    pub(super) limit: usize,
}

/// An answer: whole, or what was taken of it and the rest on its way.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) rest: Option<(Incoming, Lease)>,
    pub(super) instance: Arc<Instance>,
}

/// Asks a side. A body beyond the limit is left where it is.
///
/// # Errors
/// [`Failure`] when there is no answer, or it broke off within the limit.
pub(super) async fn take(
    pools: &Pools,
    side: &Side,
    question: &Question,
    tell: impl FnMut(&Arc<Instance>, Told),
) -> Result<Taken, Failure> {
    let request = question.head.clone().request(side, Body::full(question.body.clone()));
    let again = question.body.is_empty().then_some(&question.head);
    let asking = ask_telling(pools, side, Some(question.route), request, again, tell);
    let (answer, lease) = asking.await.map_err(|unanswered| match unanswered.error {
        AskError::Service(failure) => failure,
        // The body was at hand: nothing of these can come.
        AskError::BodyTooLarge | AskError::CallerGone | AskError::CallerSlow => Failure::Reset,
    })?;
    let (mut parts, mut stream) = answer.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::Invalid);
    }
    strip_hop_by_hop(&mut parts.headers);
    let instance = lease.instance().clone();
    let (body, ended) = collect(&mut stream, question.limit).await?;
    let rest = if ended {
        lease.release();
        None
    } else {
        Some((stream, lease))
    };
    Ok(Taken { status: parts.status, version: Version::HTTP_11, headers: parts.headers, body, rest, instance })
}

/// Reads a body to its end, or as far as the limit; whether the end was reached.
///
/// # Errors
/// It broke off.
pub(super) async fn collect(stream: &mut Incoming, limit: usize) -> Result<(Bytes, bool), Failure> {
    if stream.size_hint().lower() > limit as u64 {
        return Ok((Bytes::new(), false));
    }
    let (mut first, mut more) = (None::<Bytes>, BytesMut::new());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *stream).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_broken| Failure::Reset)?.into_data() else { continue };
        match first.take() {
            None if more.is_empty() => first = Some(data),
            None => more.extend_from_slice(&data),
            Some(before) => {
                more.extend_from_slice(&before);
                more.extend_from_slice(&data);
            }
        }
        let so_far = more.len() + first.as_ref().map_or(0, Bytes::len);
        if so_far > limit {
            return Ok((first.unwrap_or_else(|| more.freeze()), false));
        }
    }
    Ok((first.unwrap_or_else(|| more.freeze()), true))
}
