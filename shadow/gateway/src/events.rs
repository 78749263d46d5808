//! What happened, numbered: the last thousand are kept for who asks, and each is a line of the log.
//!
//! | kind | figures |
//! |---|---|
//! | `mode` | `from`, `to` |
//! | `share` | `from`, `to`, `latched` |
//! | `operator` | `do`, `why` |
//! | `breaker` | `from`, `to`, `reason`, `figures` of the windows |
//! | `instance` | `side`, `instance`, `healthy`: what the active checks say |
//! | `ejected` | `side`, `instance`, `failures` in a row |
//!
//! Numbers begin at 1 with the program; when that was is told with every answer, so that a restart is seen.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::clock::{Moment, monotonic_ns, now, utc};
use crate::log;

/// Events that are kept.
const KEPT: usize = 1_000;

/// The events of this program, shared by all threads.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<Ring>,
    pushed: Notify,
}

impl Default for Events {
    fn default() -> Self {
        Self { ring: Mutex::new(Ring::new(monotonic_ns())), pushed: Notify::new() }
    }
}

impl Events {
    /// Takes an event in and logs it; `figures` is an object. The number it got is given back.
    pub fn push(&self, kind: &'static str, figures: &Value) -> u64 {
        let mut logged = json!({"kind": kind});
        merge(&mut logged, figures);
        let number = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            // Inside the lock, so that numbers and times have one order.
            ring.push(now(), kind, figures)
        };
        logged["n"] = json!(number);
        let say = if ["breaker", "instance", "ejected"].contains(&kind) { log::warn } else { log::info };
        say("event", &logged);
        self.pushed.notify_one();
        number
    }

    /// Events with a number above `after`, with the oldest number that is kept and the next that will be given.
    #[must_use]
    pub fn after(&self, after: u64) -> Value {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).after(after)
    }

    /// Waits for an event since the last time this was waited for, by one waiter.
    pub async fn pushed(&self) {
        self.pushed.notified().await;
    }
}

#[derive(Debug)]
struct Ring {
    begun_ns: u64,
    kept: VecDeque<Value>,
    given: u64,
}

impl Ring {
    const fn new(begun_ns: u64) -> Self {
        Self { begun_ns, kept: VecDeque::new(), given: 0 }
    }

    fn push(&mut self, moment: Moment, kind: &'static str, figures: &Value) -> u64 {
        self.given += 1;
        let mut event = json!({"n": self.given, "utc": utc(moment.unix_ms), "t_ns": moment.t_ns, "kind": kind});
        merge(&mut event, figures);
        self.kept.push_back(event);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        self.given
    }

    fn after(&self, after: u64) -> Value {
        let oldest = self.given + 1 - self.kept.len() as u64;
        let skipped = usize::try_from(after.saturating_add(1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events: Vec<&Value> = self.kept.iter().skip(skipped).collect();
        json!({"events": events, "oldest": oldest, "next": self.given + 1, "begun_ns": self.begun_ns})
    }
}

/// Puts the fields of one object into another.
fn merge(object: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOMENT: Moment = Moment { unix_ms: 0, t_ns: 7 };

    fn numbers(answer: &Value) -> Vec<u64> {
        let number = |event: &Value| event["n"].as_u64().expect("a number");
        answer["events"].as_array().expect("a list").iter().map(number).collect()
    }

    #[test]
    fn an_event_has_its_number_both_times_its_kind_and_its_figures() {
        let mut ring = Ring::new(3);
        assert_eq!(ring.push(MOMENT, "share", &json!({"from": 0.01, "to": 0.05, "latched": false})), 1);
        let event = json!({
            "n": 1, "utc": "1970-01-01T00:00:00.000Z", "t_ns": 7, "kind": "share", "from": 0.01, "to": 0.05,
            "latched": false,
        });
        assert_eq!(ring.after(0), json!({"events": [event], "oldest": 1, "next": 2, "begun_ns": 3}));
    }

    #[test]
    fn before_the_first_event_the_next_is_number_one() {
        assert_eq!(Ring::new(3).after(0), json!({"events": [], "oldest": 1, "next": 1, "begun_ns": 3}));
        assert_eq!(Ring::new(3).after(u64::MAX)["events"], json!([]));
    }

    #[test]
    fn what_was_pushed_is_waited_for_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let events = Events::default();
            events.push("mode", &json!({"from": "off", "to": "shadow"}));
            events.push("operator", &json!({"do": "hold", "why": ""}));
            events.pushed().await;
            assert_eq!(numbers(&events.after(0)), [1, 2]);
            assert_eq!(numbers(&events.after(1)), [2]);
        });
    }

    proptest! {
        #[test]
        fn asking_shows_each_kept_event_after_a_number_once_and_in_order(pushed in 0_u64..2_500, after in 0_u64..3_000) {
            let mut ring = Ring::new(3);
            for _ in 0..pushed {
                ring.push(MOMENT, "breaker", &json!({}));
            }
            let answer = ring.after(after);
            let oldest = (pushed + 1).saturating_sub(KEPT as u64).max(1);
            prop_assert_eq!(&answer["oldest"], &json!(oldest));
            prop_assert_eq!(&answer["next"], &json!(pushed + 1));
            let wanted: Vec<u64> = (oldest..=pushed).filter(|number| *number > after).collect();
            prop_assert_eq!(numbers(&answer), wanted);
        }
    }
}
