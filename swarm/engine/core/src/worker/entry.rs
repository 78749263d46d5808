//! What a worker makes of a plan's endpoints, and its part of a plan's numbers.

use crate::arrival::Share;
use crate::plan::{Plan, PlanError};
use crate::template::Request;

/// An endpoint, compiled.
pub(super) struct Entry {
    pub(super) request: Request,
    pub(super) head_only: bool,
    pub(super) targets: Vec<u16>,
    pub(super) turn: usize,
    pub(super) expect_status: Option<u16>,
    pub(super) waiting: u64,
}

/// Returns how many connections per target one thread may open: its share, at least one.
#[must_use]
pub fn slots(plan: &Plan, share: Share) -> u32 {
    share_of(plan.max_connections, share).max(1)
}

/// Returns a thread's part of a number.
pub(super) fn share_of(all: u32, share: Share) -> u32 {
    all / share.of + u32::from(share.index < all % share.of)
}

/// Compiles the endpoints.
pub(super) fn entries(plan: &Plan) -> Result<Vec<Entry>, PlanError> {
    let compile = |(endpoint, one): (usize, &crate::plan::Endpoint)| {
        if one.targets.is_empty() || one.targets.iter().any(|&at| usize::from(at) >= plan.targets.len()) {
            return Err(PlanError::Targets { endpoint, targets: plan.targets.len() });
        }
        let request =
            Request::compile(&one.request, &plan.columns).map_err(|source| PlanError::Template { endpoint, source })?;
        let head_only = request.method() == "HEAD";
        let (targets, expect_status) = (one.targets.clone(), one.expect_status);
        Ok(Entry { request, head_only, targets, turn: 0, expect_status, waiting: 0 })
    };
    plan.endpoints.iter().enumerate().map(compile).collect()
}
