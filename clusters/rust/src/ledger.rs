//! The ledger as it was loaded: flat columns grouped by user, checked once, never changed.

use std::path::Path;

use crate::npy::{self, NpyError};
use crate::users::{Users, UsersError};

/// The kinds of ledger entries as the column holds them.
pub mod kind {
    /// Coins in, a lot; ref = valid hours.
    pub const RECHARGE: u8 = 1;
    /// Coins out; party = receiver, ref = gift id.
    pub const GIFT_SENT: u8 = 2;
    /// Diamonds in, a lot; party = sender, ref = gift id.
    pub const GIFT_RECEIVED: u8 = 3;
    /// Diamonds out.
    pub const WITHDRAWAL: u8 = 4;
    /// Coins frozen; the hold's id is the entry's seq.
    pub const HOLD: u8 = 5;
    /// Frozen coins spent; ref = hold id.
    pub const CAPTURE: u8 = 6;
    /// Frozen coins back in their lots; ref = hold id.
    pub const RELEASE: u8 = 7;
    /// Coins in, a lot; ref = valid hours.
    pub const BONUS: u8 = 8;
    /// Kinds are 1 to this, both included.
    pub const LAST: u8 = BONUS;
    /// The kinds' names, at their numbers.
    pub const NAMES: [&str; LAST as usize + 1] =
        ["", "recharge", "gift_sent", "gift_received", "withdrawal", "hold", "capture", "release", "bonus"];
}

/// Times beyond this many ms from the epoch are refused, so that no expiry can overflow.
const MAX_TIME_MS: i64 = 1 << 53;

/// Why a data folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The list of users.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A column.
    #[error(transparent)]
    Column(#[from] NpyError),
    /// The columns do not fit one another or break a rule of the format.
    #[error("the ledger in {folder} cannot be used: {fault}; write the pool again")]
    Rule {
        /// The ledger's folder.
        folder: String,
        /// Which rule, at which row.
        fault: String,
    },
}

/// The columns of the entries; all have one length.
#[derive(Debug, Default)]
pub struct Columns {
    /// Where a user's rows start; one more than there are users.
    pub offsets: Vec<i64>,
    /// Global sequence numbers, at least 1.
    pub seq: Vec<u32>,
    /// Unix ms UTC.
    pub time_ms: Vec<i64>,
    /// See [`kind`].
    pub kind: Vec<u8>,
    /// Coins or diamonds, at least 1.
    pub amount: Vec<u32>,
    /// Index of the other user; the largest number when there is none.
    pub party: Vec<u32>,
    /// Valid hours, gift id or hold id, by kind.
    pub reference: Vec<u32>,
}

/// One entry of one user's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns tell")]
pub struct Entry {
    pub seq: u32,
    pub time_ms: i64,
    pub kind: u8,
    pub amount: u32,
    pub party: u32,
    pub reference: u32,
}

/// The entries of one user in order; all slices have one length.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Strictly ascending.
    pub seq: &'a [u32],
    /// Never descending.
    pub time_ms: &'a [i64],
    /// 1 to [`kind::LAST`].
    pub kind: &'a [u8],
    /// At least 1.
    pub amount: &'a [u32],
    /// A user's index in every gift entry.
    pub party: &'a [u32],
    /// Valid hours, gift id or hold id, by kind.
    pub reference: &'a [u32],
}

impl Rows<'_> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seq.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seq.is_empty()
    }

    /// The entries from row `start` to before row `end`.
    ///
    /// # Panics
    /// When the range is not within the rows.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        Self {
            seq: &self.seq[start..end],
            time_ms: &self.time_ms[start..end],
            kind: &self.kind[start..end],
            amount: &self.amount[start..end],
            party: &self.party[start..end],
            reference: &self.reference[start..end],
        }
    }
}

/// Users, their entries, and the moment they describe.
#[derive(Debug)]
pub struct Ledger {
    users: Users,
    columns: Columns,
    now_ms: i64,
    as_of: u32,
}

impl Ledger {
    /// Reads `userpool.csv` and `ledger/*.npy` of a data folder.
    ///
    /// # Errors
    /// When a file cannot be read or breaks the format.
    pub fn load(data: &Path) -> Result<Self, LoadError> {
        let folder = data.join("ledger");
        let users = Users::read(&data.join("userpool.csv"))?;
        let columns = Columns {
            offsets: npy::read_column(&folder.join("offsets.npy"))?,
            seq: npy::read_column(&folder.join("seq.npy"))?,
            time_ms: npy::read_column(&folder.join("time_ms.npy"))?,
            kind: npy::read_column(&folder.join("kind.npy"))?,
            amount: npy::read_column(&folder.join("amount.npy"))?,
            party: npy::read_column(&folder.join("party.npy"))?,
            reference: npy::read_column(&folder.join("ref.npy"))?,
        };
        Self::new(users, columns).map_err(|fault| LoadError::Rule { folder: folder.display().to_string(), fault })
    }

    /// A ledger of columns already in memory.
    ///
    /// # Errors
    /// The rule that is broken and the row that breaks it.
    pub fn new(users: Users, columns: Columns) -> Result<Self, String> {
        check_shape(users.len(), &columns)?;
        check_values(users.len(), &columns)?;
        for user in columns.offsets.windows(2) {
            check_order(user[0] as usize, user[1] as usize, &columns)?;
        }
        let last = columns.seq.iter().copied().enumerate().max_by_key(|(_, seq)| *seq);
        let (now_ms, as_of) = last.map_or((0, 0), |(row, seq)| (columns.time_ms[row], seq));
        Ok(Self { users, columns, now_ms, as_of })
    }

    /// The users.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// How many entries all users have.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.columns.seq.len()
    }

    /// The time of the last entry of all; 0 when there is none.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The highest seq of all; 0 when there is no entry.
    #[must_use]
    pub fn as_of(&self) -> u32 {
        self.as_of
    }

    /// The entries of one user.
    ///
    /// # Panics
    /// When no user has this index.
    #[must_use]
    pub fn rows(&self, user: u32) -> Rows<'_> {
        let columns = &self.columns;
        let user = user as usize;
        let all = Rows {
            seq: &columns.seq,
            time_ms: &columns.time_ms,
            kind: &columns.kind,
            amount: &columns.amount,
            party: &columns.party,
            reference: &columns.reference,
        };
        all.slice(columns.offsets[user] as usize, columns.offsets[user + 1] as usize)
    }
}

fn check_shape(users: usize, columns: &Columns) -> Result<(), String> {
    let entries = columns.seq.len();
    let lengths = [
        ("time_ms", columns.time_ms.len()),
        ("kind", columns.kind.len()),
        ("amount", columns.amount.len()),
        ("party", columns.party.len()),
        ("ref", columns.reference.len()),
    ];
    if let Some((name, found)) = lengths.into_iter().find(|(_, found)| *found != entries) {
        return Err(format!("{name} has {found} rows and seq has {entries}"));
    }
    let offsets = &columns.offsets;
    if offsets.len() != users + 1 {
        return Err(format!("offsets has {} rows for {users} users, not one more", offsets.len()));
    }
    if offsets[0] != 0 || offsets[users] != entries as i64 || !offsets.is_sorted() {
        return Err(format!("offsets do not rise from 0 to {entries}"));
    }
    if offsets.windows(2).any(|user| user[1] - user[0] > i64::from(u32::MAX)) {
        return Err("a user has more entries than can be counted".to_owned());
    }
    Ok(())
}

fn check_values(users: usize, columns: &Columns) -> Result<(), String> {
    let row_of = |found: Option<usize>, rule: &str| found.map_or(Ok(()), |row| Err(format!("row {row}: {rule}")));
    row_of(columns.seq.iter().position(|seq| *seq == 0), "seq is 0")?;
    row_of(columns.amount.iter().position(|amount| *amount == 0), "amount is 0")?;
    row_of(columns.kind.iter().position(|kind| !(1..=kind::LAST).contains(kind)), "kind is not 1 to 8")?;
    row_of(columns.time_ms.iter().position(|time| time.abs() > MAX_TIME_MS), "time_ms is out of range")?;
    let gift_without_user =
        columns.kind.iter().zip(&columns.party).position(|(kind, party)| {
            matches!(*kind, kind::GIFT_SENT | kind::GIFT_RECEIVED) && *party as usize >= users
        });
    row_of(gift_without_user, "the gift's party is no user")
}

fn check_order(start: usize, end: usize, columns: &Columns) -> Result<(), String> {
    if !columns.seq[start..end].is_sorted_by(|before, after| before < after) {
        return Err(format!("seq does not rise within rows {start} to {end}"));
    }
    if !columns.time_ms[start..end].is_sorted() {
        return Err(format!("time_ms falls within rows {start} to {end}"));
    }
    Ok(())
}
