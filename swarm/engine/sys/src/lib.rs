//! io_uring for the sender behind a safe interface; the engine's core has no unsafe code.
//!
//! [`Ring`] owns all memory that the kernel reads or writes: receive buffers that the kernel fills as answers come
//! ([`buffers`]), and one outbox per slot that a queued send is copied to. Three rules make it sound, each kept in one
//! place: a receive buffer is read only between its completion and its return; an outbox is changed only while no send
//! of it is under way; and the memory is freed only when every operation has completed, else it is leaked.

mod buffers;
mod ring;

pub use ring::{Completion, Kind, Ring};
