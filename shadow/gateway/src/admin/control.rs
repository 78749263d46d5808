//! What operators' orders do. Whoever goes back goes before everybody else, and waits for no disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hyper::StatusCode;
use serde_json::json;

use super::Admin;
use super::orders::{Order, Refusal, ShareOrder};
use crate::canary::{Canary, Kept};
use crate::log;
use crate::mode::Mode;
use crate::state::{State, Turn};

const NO_CANDIDATE: Refusal = (StatusCode::CONFLICT, "The configuration has no candidate.");
const NO_SECTION: Refusal = (StatusCode::CONFLICT, "The configuration has no section canary.");
const OVERTAKEN: Refusal =
    (StatusCode::PRECONDITION_FAILED, "All users were taken back after what was seen; the share stays.");
const NOT_KEPT: Refusal =
    (StatusCode::INTERNAL_SERVER_ERROR, "The state file cannot be written; everything stays as it was.");
const BACK_NOT_KEPT: Refusal = (
    StatusCode::INTERNAL_SERVER_ERROR,
    "All users are taken back, but the state file cannot be written: a restart would not know.",
);

impl Admin {
    /// Switches the mode; requests under way end as they began.
    pub(super) async fn switch(&self, mode: Mode) -> Result<(), Refusal> {
        let proxy = &self.shown.proxy;
        if mode != Mode::Off && proxy.candidate.is_none() {
            return Err(NO_CANDIDATE);
        }
        if mode == Mode::Canary {
            self.canary()?;
        }
        let mut turn = self.keeper.turn().await;
        keep(&mut turn, State { mode, ..self.state() }).await.map_err(|()| NOT_KEPT)?;
        let before = proxy.switch.get();
        proxy.switch.set(mode);
        if before != mode {
            self.shown.events.push("mode", &json!({"from": before.name(), "to": mode.name()}));
        }
        Ok(())
    }

    /// Sets the share, unless all users were taken back after what was seen, or while this waits.
    pub(super) async fn share(&self, order: ShareOrder) -> Result<(), Refusal> {
        let canary = self.canary()?;
        let mut turn = self.keeper.turn().await;
        let back = self.back.load(Ordering::Relaxed);
        // A latch without an event of this program is older than all that can have been seen.
        if order.seen.is_some_and(|seen| back > seen || (canary.is_latched() && back == 0)) {
            return Err(OVERTAKEN);
        }
        let before = canary.kept();
        let after = Kept { share: order.share, latched: before.latched && order.share <= 0.0, ..before };
        if after == before {
            return Ok(());
        }
        keep(&mut turn, State { canary: Some(after), ..self.state() }).await.map_err(|()| NOT_KEPT)?;
        if self.back.load(Ordering::Relaxed) != back {
            return Err(OVERTAKEN);
        }
        canary.set_share(order.share);
        Ok(())
    }

    /// Takes an order in; `back` is done before anything else.
    pub(super) async fn order(&self, order: Order, why: &str) -> Result<(), Refusal> {
        let canary = self.canary()?;
        if order == Order::Back {
            canary.latch(Instant::now());
        }
        let number = self.shown.events.push("operator", &json!({"do": order.name(), "why": why}));
        if order != Order::Back {
            return Ok(());
        }
        self.back.store(number, Ordering::Relaxed);
        let mut turn = self.keeper.turn().await;
        keep(&mut turn, self.state()).await.map_err(|()| BACK_NOT_KEPT)
    }

    /// Keeps, for ever, what the gateway changes by itself.
    pub async fn keep_up(self: Arc<Self>) {
        loop {
            self.shown.events.pushed().await;
            self.keep_now().await;
        }
    }

    /// Keeps the state as it is now.
    pub async fn keep_now(&self) {
        let mut turn = self.keeper.turn().await;
        let _logged = keep(&mut turn, self.state()).await;
    }

    fn state(&self) -> State {
        let proxy = &self.shown.proxy;
        State { mode: proxy.switch.get(), canary: proxy.canary.as_ref().map(|canary| canary.kept()) }
    }

    fn canary(&self) -> Result<&Canary, Refusal> {
        let proxy = &self.shown.proxy;
        proxy.canary.as_deref().ok_or(if proxy.candidate.is_some() { NO_SECTION } else { NO_CANDIDATE })
    }
}

async fn keep(turn: &mut Turn<'_>, state: State) -> Result<(), ()> {
    turn.keep(state).await.map_err(|fault| log::warn("the state cannot be kept", &json!({"fault": fault.to_string()})))
}
