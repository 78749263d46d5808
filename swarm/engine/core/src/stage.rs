//! Stages: what load is wanted when, laid end to end on the monotonic clock.

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// What a stage asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Open loop: requests per second on a schedule of their own, whatever the answers do.
    Rate(f64),
    /// Closed loop: so many users, each sending again when its answer and its think time are over.
    Users(u32),
}

/// What a stage is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A short burst that finds the rough limit.
    Probe,
    /// A stage that is measured.
    Measure,
}

/// A load step. Times are seconds; an infinite `measure_s` lasts until it is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// The number that every count of this stage carries.
    pub id: u32,
    /// Probe or measured stage.
    pub kind: Kind,
    /// Rate or users.
    pub load: Load,
    /// The part of the warm-up in which a rate moves here from the stage before, linearly.
    pub ramp_s: f64,
    /// How long the stage runs before its measured part.
    pub warmup_s: f64,
    /// How long the measured part is.
    pub measure_s: f64,
}

impl Stage {
    /// Returns a measured stage without a ramp.
    #[must_use]
    pub fn new(id: u32, load: Load, warmup_s: f64, measure_s: f64) -> Self {
        Self { id, kind: Kind::Measure, load, ramp_s: 0.0, warmup_s, measure_s }
    }
}

/// The part of a stage that a count belongs to; by the intended start, but [`Phase::Drain`] for what ended after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Anything of a probe.
    Probe,
    /// Started before the measured part.
    Warmup,
    /// Started in the measured part.
    Measure,
    /// Ended after the stage.
    Drain,
}

impl Phase {
    /// Returns the name that records use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Warmup => "warmup",
            Self::Measure => "measure",
            Self::Drain => "drain",
        }
    }
}

/// Stages that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum StageError {
    /// A length is negative or not a number, or one that must end does not.
    #[error(
        "stage {id}: {name} = {value}: give a number of seconds from 0 on; only the last measured part may be endless"
    )]
    Length {
        /// The stage's number.
        id: u32,
        /// Which length.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// The ramp is longer than the warm-up.
    #[error("stage {id}: its ramp of {ramp_s} s does not fit its warm-up of {warmup_s} s: give a longer warm-up")]
    Ramp {
        /// The stage's number.
        id: u32,
        /// The ramp's length.
        ramp_s: f64,
        /// The warm-up's length.
        warmup_s: f64,
    },
    /// The rate is negative or not a number.
    #[error("stage {id}: a rate of {rate_rps} a second cannot be sent: give a finite number from 0 on")]
    Rate {
        /// The stage's number.
        id: u32,
        /// What was given.
        rate_rps: f64,
    },
    /// There is no stage.
    #[error("there is no stage: give at least one")]
    Empty,
}

/// A stage with its place on the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// The stage.
    pub stage: Stage,
    /// Its begin.
    pub starts_ns: u64,
    /// The begin of its measured part.
    pub measured_ns: u64,
    /// Its end, after which nothing of it is started; `u64::MAX` when endless.
    pub ends_ns: u64,
}

impl Placed {
    /// Returns the phase of what starts at a moment of this stage.
    #[must_use]
    pub fn phase(&self, at_ns: u64) -> Phase {
        match self.stage.kind {
            Kind::Probe => Phase::Probe,
            Kind::Measure if at_ns < self.measured_ns => Phase::Warmup,
            Kind::Measure => Phase::Measure,
        }
    }
}

/// Lays stages end to end from a moment of the monotonic clock.
///
/// # Errors
/// [`StageError`] for the first stage that cannot be sent.
pub fn place(stages: &[Stage], start_ns: u64) -> Result<Vec<Placed>, StageError> {
    if stages.is_empty() {
        return Err(StageError::Empty);
    }
    let mut from_ns = start_ns;
    let mut placed = Vec::with_capacity(stages.len());
    for (at, stage) in stages.iter().enumerate() {
        check(stage, at + 1 == stages.len())?;
        let measured_ns = from_ns + to_ns(stage.warmup_s);
        let ends_ns = measured_ns.saturating_add(to_ns(stage.measure_s));
        placed.push(Placed { stage: *stage, starts_ns: from_ns, measured_ns, ends_ns });
        from_ns = ends_ns;
    }
    Ok(placed)
}

fn check(stage: &Stage, last: bool) -> Result<(), StageError> {
    let Stage { id, ramp_s, warmup_s, measure_s, .. } = *stage;
    for (name, value, endless) in
        [("ramp_s", ramp_s, false), ("warmup_s", warmup_s, false), ("measure_s", measure_s, last)]
    {
        if !(value >= 0.0 && (endless || value.is_finite())) {
            return Err(StageError::Length { id, name, value });
        }
    }
    if ramp_s > warmup_s {
        return Err(StageError::Ramp { id, ramp_s, warmup_s });
    }
    match stage.load {
        Load::Rate(rate_rps) if !(rate_rps >= 0.0 && rate_rps.is_finite()) => Err(StageError::Rate { id, rate_rps }),
        _ => Ok(()),
    }
}

/// Returns seconds as ns, rounded; beyond 64 bits the largest value.
#[must_use]
pub fn to_ns(seconds: f64) -> u64 {
    // A cast from float saturates, so an endless stage ends at u64::MAX.
    (seconds * SECOND_NS as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_one_another_without_a_gap() {
        let stages = [Stage::new(4, Load::Rate(10.0), 1.0, 2.0), Stage::new(5, Load::Users(3), 0.5, f64::INFINITY)];
        let placed = place(&stages, 1_000).expect("stages");
        assert_eq!(
            [placed[0].measured_ns, placed[0].ends_ns, placed[1].starts_ns],
            [1_000_001_000, 3_000_001_000, 3_000_001_000]
        );
        assert_eq!(placed[1].ends_ns, u64::MAX);
        assert_eq!([placed[0].phase(1_000), placed[0].phase(1_000_001_000)], [Phase::Warmup, Phase::Measure]);
    }

    #[test]
    fn a_stage_that_cannot_be_sent_is_refused() {
        let refused = |stage: Stage| place(&[stage], 0).expect_err("refused").to_string();
        let good = Stage::new(1, Load::Rate(1.0), 1.0, 1.0);
        assert!(refused(Stage { ramp_s: 2.0, ..good }).contains("ramp of 2 s does not fit"));
        assert!(refused(Stage { load: Load::Rate(f64::NAN), ..good }).contains("rate of NaN"));
        assert!(refused(Stage { warmup_s: f64::INFINITY, ..good }).contains("warmup_s = inf"));
        assert!(place(&[Stage { measure_s: f64::INFINITY, ..good }, good], 0).is_err());
        assert_eq!(place(&[], 0), Err(StageError::Empty));
    }
}
