//! One element of the stream, checked; the Go twin's `redisstore/event.go` writes them.

use std::str::FromStr;

use redis::streams::StreamId;

use crate::ledger::{Entry, kind};
use crate::users::Users;

/// No other user takes part.
const NO_PARTY: u32 = u32::MAX;

/// An event's id: the ledger's seq after it, and a step among the events that leave the ledger there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) seq: u32,
    pub(super) step: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.seq, self.step)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(id: &str) -> Result<Self, ()> {
        let (seq, step) = id.split_once('-').ok_or(())?;
        Ok(Self { seq: seq.parse().map_err(drop)?, step: step.parse().map_err(drop)? })
    }
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The first event: the loaded ledger's size.
    Genesis { entries: u32, users: u32 },
    /// A wallet did not hold that much.
    Refused,
    /// Entries by user, in order of seq.
    Entries(Vec<(u32, Entry)>),
}

/// One element of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Position,
    /// Unlike any other.
    pub(super) token: String,
    /// The token of the event before; empty in the genesis.
    pub(super) after: String,
    /// Of the first entry; without entries the ledger's.
    pub(super) seq: u32,
    /// Of all entries; without entries the ledger's.
    pub(super) time_ms: i64,
    pub(super) change: Change,
}

impl Event {
    /// Reads an element.
    ///
    /// # Errors
    /// What is wrong with it; then the stream is none of a wallet with these users.
    pub(super) fn parse(element: &StreamId, users: &Users) -> Result<Self, String> {
        let at = element.id.parse().map_err(|()| format!("event {} has no usable id", element.id))?;
        let mut event = Self {
            at,
            token: field(element, "token")?,
            after: field(element, "after")?,
            seq: field(element, "seq")?,
            time_ms: field(element, "time_ms")?,
            change: Change::Refused,
        };
        event.change = event.change(element, users)?;
        Ok(event)
    }

    fn change(&self, element: &StreamId, users: &Users) -> Result<Change, String> {
        let (amount, reference): (u32, u32) = (field(element, "amount")?, field(element, "ref")?);
        let op: String = field(element, "op")?;
        let user = |name| {
            let id: String = field(element, name)?;
            users.find(&id).ok_or_else(|| format!("event {} is about the user {id:?}", self.at))
        };
        let entry = |kind, party, reference| {
            let entry = Entry { seq: self.seq, time_ms: self.time_ms, kind, amount, party, reference };
            if amount > 0 { Ok(entry) } else { Err(format!("event {} has the amount 0", self.at)) }
        };
        Ok(match op.as_str() {
            "genesis" => Change::Genesis { entries: amount, users: reference },
            "refused" => Change::Refused,
            "recharge" => Change::Entries(vec![(user("user")?, entry(kind::RECHARGE, NO_PARTY, reference)?)]),
            "withdrawal" => Change::Entries(vec![(user("user")?, entry(kind::WITHDRAWAL, NO_PARTY, 0)?)]),
            "gift" => {
                let (from, to) = (user("user")?, user("party")?);
                let sent = entry(kind::GIFT_SENT, to, reference)?;
                let seq = self.seq.checked_add(1).filter(|_| from != to);
                let seq = seq.ok_or_else(|| format!("event {} is no gift", self.at))?;
                let received = Entry { seq, kind: kind::GIFT_RECEIVED, party: from, ..sent };
                Change::Entries(vec![(from, sent), (to, received)])
            }
            _ => return Err(format!("event {} has the operation {op:?}", self.at)),
        })
    }

    /// Whether the event is the ledger's next after this seq and time.
    pub(super) fn fits(&self, seq: u32, time_ms: i64) -> bool {
        match &self.change {
            Change::Genesis { .. } => false,
            Change::Refused => self.seq == seq && self.at.seq == seq,
            Change::Entries(entries) => {
                seq.checked_add(1) == Some(self.seq)
                    && entries.last().is_some_and(|(_, last)| last.seq == self.at.seq)
                    && self.time_ms >= time_ms
            }
        }
    }
}

fn field<T: FromStr>(element: &StreamId, name: &str) -> Result<T, String> {
    let text: Option<String> = element.get(name);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("event {} has no usable {name}", element.id))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use redis::Value;

    /// An element as the stream holds it, the genesis' fields first replaced by those given.
    pub(in crate::store) fn element(id: &str, fields: &[(&str, &str)]) -> StreamId {
        let usual = [("token", "t"), ("after", ""), ("op", "genesis"), ("key", ""), ("digest", ""), ("seq", "0")];
        let rest = [("time_ms", "0"), ("user", ""), ("party", ""), ("amount", "1"), ("ref", "0")];
        let all = usual.iter().chain(&rest).chain(fields);
        let text = |value: &&str| Value::BulkString(value.as_bytes().to_vec());
        let map = all.map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        StreamId { id: id.to_owned(), map, ..StreamId::default() }
    }

    fn users() -> Users {
        Users::of(&["ann", "bob"]).expect("users")
    }

    #[test]
    fn a_gift_has_two_entries_of_one_time() {
        let gift = [
            ("op", "gift"),
            ("seq", "8"),
            ("time_ms", "70"),
            ("user", "bob"),
            ("party", "ann"),
            ("amount", "5"),
            ("ref", "3"),
        ];
        let event = Event::parse(&element("9-1", &gift), &users()).expect("an event");
        let sent = Entry { seq: 8, time_ms: 70, kind: kind::GIFT_SENT, amount: 5, party: 0, reference: 3 };
        let received = Entry { seq: 9, kind: kind::GIFT_RECEIVED, party: 1, ..sent };
        assert_eq!(event.change, Change::Entries(vec![(1, sent), (0, received)]));
        assert!(event.fits(7, 70) && event.fits(7, 69));
        assert!(!event.fits(6, 70) && !event.fits(8, 70) && !event.fits(7, 71));
    }

    #[test]
    fn a_refusal_leaves_the_ledger_where_it_is() {
        let event = Event::parse(&element("7-2", &[("op", "refused"), ("seq", "7")]), &users()).expect("an event");
        assert_eq!((event.fits(7, 0), event.fits(6, 0)), (true, false));
    }

    #[test]
    fn what_is_no_event_is_told() {
        for (fields, words) in [
            (&[("op", "recharge"), ("user", "eve")][..], "user \"eve\""),
            (&[("op", "gift"), ("user", "ann"), ("party", "ann")], "no gift"),
            (&[("op", "gift"), ("user", "ann"), ("party", "bob"), ("seq", "4294967295")], "no gift"),
            (&[("op", "recharge"), ("user", "ann"), ("amount", "0")], "amount 0"),
            (&[("op", "bonus")], "operation \"bonus\""),
            (&[("seq", "-1")], "usable seq"),
            (&[("time_ms", "soon")], "usable time_ms"),
        ] {
            let told = Event::parse(&element("1-1", fields), &users()).expect_err("a fault");
            assert!(told.contains(words), "{told}");
        }
        assert!(Event::parse(&element("1", &[]), &users()).is_err());
    }
}
