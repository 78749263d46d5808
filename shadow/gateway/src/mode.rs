//! Who answers: the four modes, switched while requests are under way.

use std::sync::atomic::{AtomicU8, Ordering};

/// Who answers the callers, and whether copies are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The baseline answers; no copies.
    Off,
    /// The baseline answers; what is safe is copied to the candidate and compared.
    Shadow,
    /// A share of the users is answered by the candidate, and by the baseline when the candidate fails them.
    Canary,
    /// The candidate answers the routes that it serves.
    Full,
}

impl Mode {
    /// All modes in the order of their names here.
    pub const ALL: [Self; 4] = [Self::Off, Self::Shadow, Self::Canary, Self::Full];

    /// Its name in the configuration and in the metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Full => "full",
        }
    }

    /// The mode of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// The mode under which a request that begins now is answered.
#[derive(Debug)]
pub struct Switch(AtomicU8);

impl Switch {
    /// A switch that stands at `mode`.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self(AtomicU8::new(mode as u8))
    }

    /// Where it stands.
    #[must_use]
    pub fn get(&self) -> Mode {
        Mode::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Turns it. Requests under way end as they began.
    pub fn set(&self, mode: Mode) {
        self.0.store(mode as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_name_and_kept_by_the_switch() {
        let switch = Switch::new(Mode::Off);
        for mode in Mode::ALL {
            assert_eq!(Mode::from_name(mode.name()), Some(mode));
            switch.set(mode);
            assert_eq!(switch.get(), mode);
        }
        assert_eq!(Mode::from_name("Shadow"), None);
    }
}
