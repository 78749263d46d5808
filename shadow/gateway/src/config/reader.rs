//! Reads a JSON object key by key and notes every fault, so that a whole file is told at once.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

/// One object of the file: its path, what of it was asked for, and where faults go.
pub(super) struct Section<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
    faults: &'a mut Vec<String>,
}

impl<'a> Section<'a> {
    /// The object at `path`; anything else is a fault, and then all its keys are missing.
    pub(super) fn new(path: &str, value: &'a Value, faults: &'a mut Vec<String>) -> Option<Self> {
        let Some(map) = value.as_object() else {
            faults.push(format!("{path}: {value} is not an object"));
            return None;
        };
        Some(Self { path: path.to_owned(), map, known: Vec::new(), faults })
    }

    /// The value of a key, null and absent alike being none.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The value of a key that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Option<&'a Value> {
        let value = self.optional(key);
        if value.is_none() {
            self.fault(key, "is missing");
        }
        value
    }

    /// Notes what is wrong with a key.
    pub(super) fn fault(&mut self, key: &str, what: &str) {
        self.faults.push(format!("{}: {what}", self.at(key)));
    }

    /// The full path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the faults of a part of this object go.
    pub(super) fn faults(&mut self) -> &mut Vec<String> {
        self.faults
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.required(key)?;
        self.as_text(key, value)
    }

    /// A text that must be there and may be empty.
    pub(super) fn any_text(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.required(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.fault(key, &format!("{value} is not a text"));
        }
        text
    }

    /// A text that may be left out.
    pub(super) fn optional_text(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.optional(key)?;
        self.as_text(key, value)
    }

    /// True or false; it must be there.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.required(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.fault(key, &format!("{value} is neither true nor false"));
        }
        flag
    }

    /// A whole number in a range; `default` when it may be left out.
    pub(super) fn count(&mut self, key: &'static str, range: RangeInclusive<u64>, default: Option<u64>) -> u64 {
        let Some(value) = (if default.is_some() { self.optional(key) } else { self.required(key) }) else {
            return default.unwrap_or(*range.start());
        };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let (low, high) = (range.start(), range.end());
                self.fault(key, &format!("{value} is no whole number from {low} to {high}"));
                *range.start()
            }
        }
    }

    /// A number in a range.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<f64>) -> f64 {
        let Some(value) = self.required(key) else { return *range.start() };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.fault(key, &format!("{value} is no number from {} to {}", range.start(), range.end()));
                *range.start()
            }
        }
    }

    /// Seconds, above 0 and up to an hour.
    pub(super) fn seconds(&mut self, key: &'static str) -> Duration {
        Duration::from_secs_f64(self.number(key, 0.001..=3_600.0))
    }

    /// Milliseconds, from none up to an hour.
    pub(super) fn milliseconds(&mut self, key: &'static str) -> Duration {
        Duration::from_secs_f64(self.number(key, 0.0..=3_600_000.0) / 1_000.0)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<&'a str> {
        let Some(value) = self.required(key) else { return Vec::new() };
        let Some(list) = value.as_array() else {
            self.fault(key, &format!("{value} is not a list"));
            return Vec::new();
        };
        list.iter().filter_map(|value| self.as_text(key, value)).collect()
    }

    /// `host:port`, resolved now.
    pub(super) fn address(&mut self, key: &'static str) -> Option<SocketAddr> {
        let text = self.text(key)?;
        let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
        if found.is_none() {
            self.fault(key, &format!("{text:?} is not host:port, or the host is not known here"));
        }
        found
    }

    /// Ends the object: whatever was not asked for is a fault.
    pub(super) fn end(self) {
        for key in self.map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let at = self.at(key);
            self.faults.push(format!("{at}: unknown key; known are {}", self.known.join(", ")));
        }
    }

    fn as_text(&mut self, key: &'static str, value: &'a Value) -> Option<&'a str> {
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.fault(key, &format!("{value} is not a text with something in it"));
        }
        text
    }
}
