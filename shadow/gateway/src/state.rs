//! What outlives a restart: mode, share, latch, and how often the breaker opened. One small file, put in place in one
//! step, so that it holds the old or the new state whatever happens.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::mode::Mode;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Who answers.
    pub mode: Mode,
    /// The share of the users that the candidate answers, 0 to 1; none: the configuration's.
    pub share: Option<f64>,
    /// Whether an operator or the controller took everything back.
    pub latched: bool,
    /// How often the breaker opened.
    pub opens: u64,
}

impl State {
    /// The text of the file.
    fn text(&self) -> String {
        json!({
            "mode": self.mode.name(), "share": self.share, "latched": self.latched, "breaker": {"opens": self.opens},
        })
        .to_string()
    }

    /// The state in a text; files that hold a mode alone are older than the rest. None when it is no state.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let given = |value: &Value| Some(value.clone()).filter(|value| !value.is_null());
        let share = match given(&value["share"]) {
            None => None,
            Some(share) => Some(share.as_f64().filter(|share| (0.0..=1.0).contains(share))?),
        };
        Some(Self {
            mode: Mode::from_name(value["mode"].as_str()?)?,
            share,
            latched: given(&value["latched"]).map_or(Some(false), |latched| latched.as_bool())?,
            opens: given(&value["breaker"]["opens"]).map_or(Some(0), |opens| opens.as_u64())?,
        })
    }

    /// Puts it in the place of the state before.
    ///
    /// # Errors
    /// The file cannot be written; the state before is still there.
    pub fn keep(&self, path: &Path) -> std::io::Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let mut file = File::create(&part)?;
        file.write_all(self.text().as_bytes())?;
        // Without this a machine that loses its power could find an empty file.
        file.sync_all()?;
        std::fs::rename(&part, path)
    }

    /// The state that a file keeps; none when there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no state.
    pub fn kept(path: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes).map(Some).ok_or_else(|| {
                std::io::Error::other(format!("{} holds no state of a gateway; remove it", path.display()))
            }),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_state_is_kept_and_the_next_takes_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        assert_eq!(State::kept(&path).expect("no file"), None);
        let first = State { mode: Mode::Canary, share: Some(0.05), latched: false, opens: 2 };
        let second = State { share: Some(0.0), latched: true, ..first };
        for state in [first, second] {
            state.keep(&path).expect("it is written");
            assert_eq!(State::kept(&path).expect("a state"), Some(state));
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_file_of_a_mode_alone_leaves_the_rest_to_the_configuration() {
        let state = State { mode: Mode::Full, share: None, latched: false, opens: 0 };
        assert_eq!(State::parse(br#"{"mode":"full"}"#), Some(state));
        assert_eq!(State::parse(br#"{"mode":"full","share":null,"breaker":null}"#), Some(state));
    }

    #[test]
    fn what_is_no_state_is_told_with_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        for text in [
            "",
            "{}",
            "[]",
            "7",
            r#"{"mode":"on"}"#,
            r#"{"mode":"canary","share":1.1}"#,
            r#"{"mode":"canary","share":"0.5"}"#,
            r#"{"mode":"canary","latched":1}"#,
            r#"{"mode":"canary","breaker":{"opens":-1}}"#,
        ] {
            std::fs::write(&path, text).expect("it is written");
            let fault = State::kept(&path).expect_err("this is no state").to_string();
            assert!(fault.contains("state.json holds no state"), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn every_state_comes_back_as_it_was(
            mode in 0_usize..4, share in prop::option::of(0..=10_000_u32), latched: bool, opens: u64,
        ) {
            let share = share.map(|parts| f64::from(parts) / 10_000.0);
            let state = State { mode: Mode::ALL[mode], share, latched, opens };
            prop_assert_eq!(State::parse(state.text().as_bytes()), Some(state));
        }
    }
}
