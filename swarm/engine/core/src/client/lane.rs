//! One channel as the client's thread sees it: its connections and who waits for one. Pure.

use std::collections::VecDeque;

use crate::client::ChannelSpec;
use crate::client::mailbox::Asked;

/// A channel's state.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    pub(crate) spec: Box<ChannelSpec>,
    /// Connections that are free; the last one was used last.
    pub(crate) free: Vec<u32>,
    pub(crate) waiting: VecDeque<Asked<T>>,
    /// Connections that are being opened.
    pub(crate) connecting: u32,
    /// Connections that it has, in whatever state.
    pub(crate) held: u32,
    /// How often it stands in the queue of those that want a connection.
    pub(crate) wanted: u32,
    pub(crate) closing: bool,
}

impl<T> Lane<T> {
    pub(crate) fn new(spec: Box<ChannelSpec>) -> Self {
        let (free, waiting) = (Vec::new(), VecDeque::new());
        Self { spec, free, waiting, connecting: 0, held: 0, wanted: 0, closing: false }
    }

    /// Whether another connection should be opened for those that wait; the caller puts it into the queue.
    pub(crate) fn wants(&mut self) -> bool {
        let coming = self.connecting + self.wanted;
        let wants = self.waiting.len() > coming as usize && self.held + self.wanted < self.spec.connections.max(1);
        self.wanted += u32::from(wants);
        wants
    }

    /// Takes a connection that was closed while free out of the free ones.
    pub(crate) fn lost(&mut self, slot: u32) {
        if let Some(at) = self.free.iter().position(|&free| free == slot) {
            self.free.remove(at);
        }
    }

    /// Whether nothing of it is left, so that its number may be another's.
    pub(crate) fn is_over(&self) -> bool {
        self.closing && self.held == 0 && self.wanted == 0 && self.waiting.is_empty()
    }
}
