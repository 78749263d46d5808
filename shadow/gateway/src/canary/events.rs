//! What happened to the gray release: each event is a line of the log.

use serde_json::Value;

use crate::log;

/// Where events go.
#[derive(Debug, Default)]
pub struct Events;

impl Events {
    /// Takes an event in; `figures` is an object.
    pub fn push(&self, kind: &'static str, figures: &Value) {
        log::info(kind, figures);
    }
}
