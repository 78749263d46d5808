//! One whole answer of a side, for the mirror: bounded in time and size.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};

use super::Asked;
use crate::body::Body;
use crate::headers::strip_hop_by_hop;
use crate::pairs::Answer;
use crate::upstream::{AskError, Failure, Pools, Side, ask};

/// Asks a side what a caller asked. A body longer than `body_bytes` is cut there and marked.
///
/// # Errors
/// [`Failure`] when there is no whole answer in time.
pub(super) async fn whole(
    pools: &Pools,
    side: &Side,
    what: &Asked,
    timeout: Duration,
    body_bytes: usize,
) -> Result<Answer, Failure> {
    let asked = async {
        let begun = Instant::now();
        let again = what.body.is_empty().then_some(&what.head);
        let request = what.head.clone().request(side, Body::full(Bytes::copy_from_slice(&what.body)));
        let (answer, lease) =
            ask(pools, side, Some(what.route), request, again).await.map_err(|error| match error {
                AskError::Service(failure) => failure,
                AskError::BodyTooLarge | AskError::CallerGone | AskError::CallerSlow => Failure::Reset,
            })?;
        let (mut head, stream) = answer.into_parts();
        let (body, truncated) = collected(stream, body_bytes).await?;
        let instance = lease.instance().name.clone();
        if !truncated {
            lease.release();
        }
        strip_hop_by_hop(&mut head.headers);
        let ms = begun.elapsed().as_secs_f64() * 1_000.0;
        Ok(Answer { status: head.status, headers: head.headers, body, truncated, ms, instance })
    };
    tokio::time::timeout(timeout, asked).await.unwrap_or(Err(Failure::Timeout))
}

/// A body up to a bound, and whether it went on.
async fn collected(mut stream: Incoming, limit: usize) -> Result<(Vec<u8>, bool), Failure> {
    let expected = stream.size_hint().lower().min(limit as u64);
    let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(frame) = poll_fn(|context| Pin::new(&mut stream).poll_frame(context)).await {
        let frame = frame.map_err(|_broken| Failure::Reset)?;
        let Some(data) = frame.data_ref() else { continue };
        let room = limit - body.len();
        body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((body, true));
        }
    }
    Ok((body, false))
}
