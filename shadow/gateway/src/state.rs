//! What outlives a restart: mode, share, latch, and how often the breaker opened. One small file, put in place in one
//! step, so that it holds the old or the new state whatever happens.

use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::canary::Kept;
use crate::mode::Mode;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Who answers.
    pub mode: Mode,
    /// The gray release; none: as the configuration says, or there is none.
    pub canary: Option<Kept>,
}

impl State {
    /// The text of the file.
    fn text(&self) -> String {
        let mode = self.mode.name();
        let file = match self.canary {
            Some(Kept { share, latched, opens }) => {
                json!({"mode": mode, "share": share, "latched": latched, "breaker": {"opens": opens}})
            }
            None => json!({"mode": mode}),
        };
        file.to_string()
    }

    /// The state in a text; files that hold a mode alone are older than the rest. None when it is no state.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let mode = Mode::from_name(value["mode"].as_str()?)?;
        if value.as_object()?.len() == 1 {
            return Some(Self { mode, canary: None });
        }
        let share = value["share"].as_f64().filter(|share| (0.0..=1.0).contains(share))?;
        let (latched, opens) = (value["latched"].as_bool()?, value["breaker"]["opens"].as_u64()?);
        Some(Self { mode, canary: Some(Kept { share, latched, opens }) })
    }

    /// Puts it in the place of the state before.
    ///
    /// # Errors
    /// The file cannot be written; the state before is still there.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
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
    pub fn kept(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes)
                .map(Some)
                .ok_or_else(|| io::Error::other(format!("{} holds no state of a gateway; remove it", path.display()))),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Keeps states in their order, one at a time.
#[derive(Debug)]
pub struct Keeper {
    path: Option<PathBuf>,
    last: Mutex<Option<State>>,
}

/// Nobody else keeps a state as long as it lives.
#[derive(Debug)]
pub struct Turn<'a> {
    path: Option<&'a Path>,
    last: MutexGuard<'a, Option<State>>,
}

impl Keeper {
    /// Without a path nothing is kept. `last` is what the file holds.
    #[must_use]
    pub fn new(path: Option<PathBuf>, last: Option<State>) -> Self {
        Self { path, last: Mutex::new(last) }
    }

    /// Waits until nobody else keeps a state.
    pub async fn turn(&self) -> Turn<'_> {
        Turn { path: self.path.as_deref(), last: self.last.lock().await }
    }
}

impl Turn<'_> {
    /// Keeps a state, unless it is what the file holds. The disk is waited for by another thread.
    ///
    /// # Errors
    /// The file cannot be written; the state before is still there.
    pub async fn keep(&mut self, state: State) -> io::Result<()> {
        let Some(path) = self.path.filter(|_| *self.last != Some(state)) else { return Ok(()) };
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || state.keep(&path)).await.map_err(io::Error::other)??;
        *self.last = Some(state);
        Ok(())
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
        let first = Kept { share: 0.05, latched: false, opens: 2 };
        let second = Kept { share: 0.0, latched: true, ..first };
        for state in [first, second].map(|kept| State { mode: Mode::Canary, canary: Some(kept) }) {
            state.keep(&path).expect("it is written");
            assert_eq!(State::kept(&path).expect("a state"), Some(state));
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_file_of_a_mode_alone_leaves_the_rest_to_the_configuration() {
        assert_eq!(State::parse(br#"{"mode":"full"}"#), Some(State { mode: Mode::Full, canary: None }));
    }

    #[test]
    fn what_the_file_holds_is_not_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let states = [Mode::Shadow, Mode::Shadow, Mode::Off].map(|mode| State { mode, canary: None });
        let keeper = Keeper::new(Some(path.clone()), Some(states[0]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let written = states.map(|state| {
            runtime.block_on(async { keeper.turn().await.keep(state).await.expect("it is kept") });
            path.exists()
        });
        assert_eq!(written, [false, false, true]);
        let nowhere = Keeper::new(Some(folder.path().join("no/state.json")), None);
        assert!(runtime.block_on(async { nowhere.turn().await.keep(states[0]).await }).is_err());
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
            r#"{"mode":"canary","share":1.1,"latched":false,"breaker":{"opens":0}}"#,
            r#"{"mode":"canary","share":0.5}"#,
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
            mode in 0_usize..4, share in 0..=10_000_u32, latched: bool, opens: u64,
        ) {
            let kept = Kept { share: f64::from(share) / 10_000.0, latched, opens };
            let state = State { mode: Mode::ALL[mode], canary: Some(kept) };
            prop_assert_eq!(State::parse(state.text().as_bytes()), Some(state));
        }
    }
}
