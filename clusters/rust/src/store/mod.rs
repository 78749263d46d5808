//! The shared store: one Redis stream that continues the loaded ledger, written by the Go twin, read by all.
//!
//! ```text
//! stream (Redis)  --follow-->  event (checked)  --apply-->  live (rows by user, the mark)  <--read--  service
//! ```
//!
//! Every event names the token of the one before it. An event that does not follow the last one applied, or a last one
//! that is not in the stream any more, means that the store has lost what was seen here: [`State::Lost`], for good.

mod event;
mod follow;
mod live;

use std::sync::atomic::{AtomicU8, Ordering};

pub use follow::Follower;
pub use live::Live;

/// How an instance stands to its store. Whatever it is, reads go on with what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It does not answer; the follower will catch up by itself.
    Gone,
    /// What is written is seen.
    Followed,
    /// It has lost writes that were seen here.
    Lost,
}

/// The state, written by the follower, read by every worker.
#[derive(Debug, Default)]
struct SharedState(AtomicU8);

impl SharedState {
    fn get(&self) -> State {
        match self.0.load(Ordering::Relaxed) {
            value if value == State::Followed as u8 => State::Followed,
            value if value == State::Lost as u8 => State::Lost,
            _ => State::Gone,
        }
    }

    fn set(&self, state: State) {
        self.0.store(state as u8, Ordering::Relaxed);
    }
}

/// Why a store cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is there is not this ledger's, or no wallet's.
    #[error("the store at {address} cannot be used: {fault}")]
    Foreign {
        /// Where, without a password.
        address: String,
        /// What was found and what to do.
        fault: String,
    },
    /// Events that were seen are gone.
    #[error("the store has lost writes: {0}; restart all instances to go on with what it has")]
    Lost(String),
    /// It does not answer, or answers an error.
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}

/// An address such as `redis://127.0.0.1:6379`. It may hold a password, so it shows itself without.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreAddress(String);

impl TryFrom<String> for StoreAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let sound = text.starts_with("redis://") && redis::Client::open(text.as_str()).is_ok();
        if sound { Ok(Self(text)) } else { Err("it is no address such as redis://127.0.0.1:6379") }
    }
}

impl StoreAddress {
    fn client(&self) -> redis::RedisResult<redis::Client> {
        redis::Client::open(self.0.as_str())
    }
}

impl std::fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rest = self.0.trim_start_matches("redis://");
        f.write_str(rest.rsplit_once('@').map_or(rest, |(_, host)| host))
    }
}

impl std::fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_no_password() {
        let address = StoreAddress::try_from("redis://user:secret@127.0.0.1:6379/1".to_owned()).expect("an address");
        assert_eq!(
            (address.to_string(), format!("{address:?}")),
            ("127.0.0.1:6379/1".to_owned(), "StoreAddress(127.0.0.1:6379/1)".to_owned())
        );
    }

    #[test]
    fn anything_but_a_redis_address_is_refused() {
        for text in ["", "none", "127.0.0.1:6379", "http://127.0.0.1:6379", "redis://127.0.0.1:port", "unix:///x"] {
            assert!(StoreAddress::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
