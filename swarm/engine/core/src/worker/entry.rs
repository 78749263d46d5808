//! What a worker makes of a plan's endpoints, and its part of a plan's numbers.

use std::sync::Arc;

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
    pub(super) expect_headers: Vec<(String, String)>,
    /// Hashes of the right bodies, empty when they are not compared.
    pub(super) bodies: Arc<[u64]>,
    pub(super) waiting: u64,
}

impl Entry {
    /// Returns the hash of the right body of a user, 0 when it is not known.
    #[inline]
    pub(super) fn known_body(&self, user: u32) -> u64 {
        self.bodies.get(user as usize).copied().unwrap_or(0)
    }

    /// Whether more than the status is checked.
    pub(super) fn looks_inside(&self) -> bool {
        !self.expect_headers.is_empty() || !self.bodies.is_empty()
    }
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
        let users = plan.user_weights.len();
        if let Some(hashes) = one.bodies.as_ref().map(|bodies| bodies.len()).filter(|&hashes| hashes != users) {
            return Err(PlanError::Bodies { endpoint, hashes, users });
        }
        let request =
            Request::compile(&one.request, &plan.columns).map_err(|source| PlanError::Template { endpoint, source })?;
        let head_only = request.method() == "HEAD";
        let bodies = one.bodies.clone().filter(|_| plan.check_ratio > 0.0).unwrap_or_default();
        Ok(Entry {
            request,
            head_only,
            targets: one.targets.clone(),
            turn: 0,
            expect_status: one.expect_status,
            expect_headers: one.expect_headers.clone(),
            bodies,
            waiting: 0,
        })
    };
    plan.endpoints.iter().enumerate().map(compile).collect()
}
