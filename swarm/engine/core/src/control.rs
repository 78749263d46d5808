//! What passes between an engine's thread and its owner: commands in, finished seconds out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tally::SecondLine;

/// What an owner may ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Another rate (this thread's share is taken from it) until the end of the stage under way.
    Rate(f64),
    /// Another number of closed-loop users, all threads together.
    Users(u32),
    /// Start nothing any more; what is on its way may end.
    Stop,
    /// End at once; what is on its way fails as `stopped`.
    Abort,
}

/// What a thread knows of itself; sums since its begin, but for `busy` and `waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// CPU time of the thread.
    pub cpu_ns: u64,
    /// Connections that were opened.
    pub opened: u64,
    /// Connections that were closed, by either side.
    pub closed: u64,
    /// Connects that failed.
    pub refused: u64,
    /// Requests on their way now.
    pub busy: u64,
    /// Arrivals that wait for a connection now.
    pub waiting: u64,
}

/// What was told since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Finished seconds, in order of time.
    pub lines: Vec<SecondLine>,
    /// The thread's newest vitals.
    pub vitals: Vitals,
    /// All seconds below are told in full; `u64::MAX` after the end.
    pub through: u64,
    /// Why TLS failed the last time, in words; the counts are under [`crate::tally::Cause::Tls`].
    pub tls_fault: Option<String>,
}

/// The mailbox of one thread.
#[derive(Debug, Default)]
pub struct Control {
    asked: AtomicBool,
    commands: Mutex<Vec<Command>>,
    told: Mutex<Told>,
}

impl Control {
    /// Leaves a command; the thread sees it on its next turn, so wake it.
    pub fn ask(&self, command: Command) {
        locked(&self.commands).push(command);
        self.asked.store(true, Ordering::Release);
    }

    /// Takes what was told since the last time; vitals and `through` stay.
    #[must_use]
    pub fn drain(&self) -> Told {
        let mut told = locked(&self.told);
        Told { lines: std::mem::take(&mut told.lines), tls_fault: told.tls_fault.take(), ..*told }
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        // One load per turn; an empty vector takes no memory.
        if !self.asked.load(Ordering::Relaxed) || !self.asked.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *locked(&self.commands))
    }

    pub(crate) fn tell_fault(&self, fault: String) {
        locked(&self.told).tls_fault = Some(fault);
    }

    pub(crate) fn tell(&self, lines: Vec<SecondLine>, vitals: Vitals, through: u64) {
        let mut told = locked(&self.told);
        told.lines.extend(lines);
        told.vitals = vitals;
        told.through = through;
    }
}

/// Everything behind these locks is whole between statements, so a thread that died leaves nothing half-written.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
