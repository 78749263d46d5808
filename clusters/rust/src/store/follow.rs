//! Follows the stream: finds or makes its beginning, catches up, applies what comes, and tells when it is gone or lost.
//!
//! ```text
//! followed -> gone      a command failed
//! gone     -> followed  the last applied event is still in the stream, and all after it are applied
//! any      -> lost      the last applied event is not there, or another follows it than the stream's
//! ```

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::sleep;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, cmd};

use super::event::{Change, Event, Position};
use super::{Live, State, StoreAddress, StoreError};
use crate::ledger::Ledger;
use crate::log;

/// The key of the one stream.
const STREAM: &str = "wallet:ledger";
/// How long a read waits for an event; then the last one is confirmed.
const BLOCK: Duration = Duration::from_secs(1);
const COMMAND_LIMIT: Duration = Duration::from_secs(5);
/// Events a read.
const BATCH: usize = 1000;
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// Begins the stream where there is none; the same as the other twin's.
const GENESIS: &str = "
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XADD', KEYS[1], ARGV[1], unpack(ARGV, 2))
return 1";

/// The last event that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    at: Position,
    token: String,
}

/// The one that applies events to an instance's [`Live`].
#[derive(Debug)]
pub struct Follower {
    address: StoreAddress,
    ledger: Arc<Ledger>,
    live: Arc<Live>,
    head: Head,
}

impl Follower {
    /// Connects to the store and returns once all that it holds is applied; waits for a store that does not answer.
    ///
    /// # Errors
    /// When the store holds something else than this ledger's writes.
    pub async fn begin(address: StoreAddress, ledger: Arc<Ledger>, live: Arc<Live>) -> Result<Self, StoreError> {
        let head = Head { at: Position::default(), token: String::new() };
        let mut follower = Self { address, ledger, live, head };
        let mut wait = FIRST_RETRY;
        loop {
            match follower.try_begin().await {
                Ok(()) => return Ok(follower),
                Err(StoreError::Redis(fault)) if !is_passing(&fault) => {
                    return Err(follower.foreign(format!("{fault}; give one of its own to --store")));
                }
                Err(StoreError::Redis(fault)) => {
                    follower.say("waiting for the store", &fault.to_string());
                    sleep(wait).await;
                    wait = LAST_RETRY.min(2 * wait);
                }
                Err(other) => return Err(other),
            }
        }
    }

    async fn try_begin(&mut self) -> Result<(), StoreError> {
        let mut connection = self.connect().await?;
        let ledger = Arc::clone(&self.ledger);
        let at = Position { seq: ledger.as_of(), step: 1 };
        let (users, entries) = (ledger.users().len() as u32, ledger.entries() as u32);
        let fields = [
            ("token", token()?),
            ("after", String::new()),
            ("op", "genesis".to_owned()),
            ("key", String::new()),
            ("digest", "A".repeat(43)),
            ("seq", at.seq.to_string()),
            ("time_ms", ledger.now_ms().to_string()),
            ("user", String::new()),
            ("party", String::new()),
            ("amount", entries.to_string()),
            ("ref", users.to_string()),
        ];
        let script = Script::new(GENESIS);
        let mut call = script.key(STREAM);
        call.arg(at.to_string());
        for (name, value) in fields {
            call.arg(name).arg(value);
        }
        call.invoke_async::<i64>(&mut connection).await?;
        let found = range(&mut connection, "-", 1).await?;
        let first = self.parse(&found)?.into_iter().next();
        let first = first.ok_or_else(|| self.foreign("its stream went away".to_owned()))?;
        let Change::Genesis { entries: its_entries, users: its_users } = first.change else {
            return Err(self.foreign("its stream has lost its beginning; give an empty store".to_owned()));
        };
        if (first.at, first.time_ms, its_entries, its_users) != (at, ledger.now_ms(), entries, users) {
            return Err(self.foreign(format!(
                "it goes on from a ledger of {its_users} users, {its_entries} entries and seq {}, the loaded one has \
                 {users}, {entries} and {}; load the same data, or give an empty store",
                first.seq, at.seq
            )));
        }
        if self.head.token.is_empty() {
            self.head = Head { at: first.at, token: first.token };
        }
        self.catch_up(&mut connection).await?;
        self.live.state.set(State::Followed);
        Ok(())
    }

    /// Applies what is appended until the store is lost. When it does not answer, tries again and catches up first.
    pub async fn follow(mut self) {
        let mut wait = FIRST_RETRY;
        loop {
            let fault = match self.run().await {
                StoreError::Redis(fault) => fault,
                lost => {
                    self.live.state.set(State::Lost);
                    self.say(
                        "the store has lost writes; restart all instances to go on with what it has",
                        &lost.to_string(),
                    );
                    return;
                }
            };
            if self.live.state() == State::Followed {
                self.say("the store is gone: reads go on", &fault.to_string());
                wait = FIRST_RETRY;
            }
            self.live.state.set(State::Gone);
            sleep(wait).await;
            wait = LAST_RETRY.min(2 * wait);
        }
    }

    /// Follows over one connection; comes back with what ended it.
    async fn run(&mut self) -> StoreError {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(fault) => return fault.into(),
        };
        loop {
            // Also after each quiet second: an emptied stream gives no sign of itself.
            if let Err(fault) = self.catch_up(&mut connection).await {
                return fault;
            }
            if self.live.state() == State::Gone {
                self.say("the store is back", &format!("as of {}", self.head.at));
            }
            self.live.state.set(State::Followed);
            loop {
                match self.wait(&mut connection).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => return fault,
                }
            }
        }
    }

    /// Applies the next events; whether any came in time.
    async fn wait(&mut self, connection: &mut MultiplexedConnection) -> Result<bool, StoreError> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(BATCH).arg("BLOCK").arg(BLOCK.as_millis() as u64);
        read.arg("STREAMS").arg(STREAM).arg(self.head.at.to_string());
        let reply: Option<StreamReadReply> = read.query_async(connection).await?;
        let found: Vec<StreamId> = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect();
        for event in self.parse(&found)? {
            self.apply(&event)?;
        }
        Ok(!found.is_empty())
    }

    /// Confirms that the last applied event is still in the stream and applies all after it.
    async fn catch_up(&mut self, connection: &mut MultiplexedConnection) -> Result<(), StoreError> {
        loop {
            let found = range(connection, &self.head.at.to_string(), BATCH).await?;
            let events = self.parse(&found)?;
            let (first, rest) = match events.split_first() {
                Some((first, rest)) if first.at == self.head.at => (first, rest),
                _ => return Err(StoreError::Lost(format!("event {} is gone", self.head.at))),
            };
            if first.token != self.head.token {
                return Err(StoreError::Lost(format!("event {} is not the one that was seen before", self.head.at)));
            }
            for event in rest {
                self.apply(event)?;
            }
            if found.len() < BATCH {
                return Ok(());
            }
        }
    }

    fn apply(&mut self, event: &Event) -> Result<(), StoreError> {
        if event.after != self.head.token {
            return Err(StoreError::Lost(format!("event {} does not follow event {}", event.at, self.head.at)));
        }
        let mark = self.live.mark();
        if !event.fits(mark.seq, mark.time_ms) {
            let (seq, time_ms) = (event.seq, event.time_ms);
            let fault = format!("event {} has the seq {seq} and time {time_ms} after {mark:?}", event.at);
            return Err(StoreError::Lost(fault));
        }
        if let Change::Entries(entries) = &event.change {
            self.live.append(&self.ledger, entries);
        }
        self.head = Head { at: event.at, token: event.token.clone() };
        Ok(())
    }

    fn parse(&self, found: &[StreamId]) -> Result<Vec<Event>, StoreError> {
        let users = self.ledger.users();
        found.iter().map(|element| Event::parse(element, users).map_err(|fault| self.foreign(fault))).collect()
    }

    fn foreign(&self, fault: String) -> StoreError {
        StoreError::Foreign { address: self.address.to_string(), fault }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(COMMAND_LIMIT))
            .set_response_timeout(Some(BLOCK + COMMAND_LIMIT));
        self.address.client()?.get_multiplexed_async_connection_with_config(&config).await
    }

    fn say(&self, message: &str, what: &str) {
        log::warn(message, &[("store", &self.address.to_string()), ("what", what)]);
    }
}

/// Up to `count` elements from the id on, that one included.
async fn range(connection: &mut MultiplexedConnection, from: &str, count: usize) -> RedisResult<Vec<StreamId>> {
    let mut command = cmd("XRANGE");
    command.arg(STREAM).arg(from).arg("+").arg("COUNT").arg(count);
    let reply: StreamRangeReply = command.query_async(connection).await?;
    Ok(reply.ids)
}

/// Whether the fault may pass by itself.
fn is_passing(fault: &RedisError) -> bool {
    fault.is_io_error() || matches!(fault.kind(), ErrorKind::Server(ServerErrorKind::BusyLoading))
}

/// A token that no other event has.
fn token() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|fault| RedisError::from(std::io::Error::from(fault)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
