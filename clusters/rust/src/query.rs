//! The raw query text: split at `&`, each piece at its first `=`; nothing is decoded.

use crate::fib::MAX_N;
use crate::problem::Problem;

/// An answer has at most this many buckets.
pub const BUCKETS_MAX: i64 = 400;

/// A parameter that is given at most once.
enum Given<'a> {
    Missing,
    Once(&'a str),
    Repeated,
}

fn find<'a>(query: &'a str, name: &str) -> Given<'a> {
    let mut found = Given::Missing;
    for piece in query.split('&') {
        let (piece_name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if piece_name == name {
            match found {
                Given::Missing => found = Given::Once(value),
                _ => return Given::Repeated,
            }
        }
    }
    found
}

/// The number that 1 to `digits_max` digits without a leading zero spell.
fn decimal(text: &str, digits_max: usize) -> Option<i64> {
    let digits = (1..=digits_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero { text.parse().ok() } else { None }
}

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// `hour`
    Hour,
    /// `day`
    Day,
}

impl Bucket {
    /// As the query and the answer spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn length_ms(self) -> i64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }
}

/// The half-open range that statistics are asked for, with its buckets; never empty, at most [`BUCKETS_MAX`] buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Unix ms; the first that counts.
    pub from_ms: i64,
    /// Unix ms; the first that does not.
    pub to_ms: i64,
    /// How long a bucket is.
    pub bucket: Bucket,
    /// The same in ms.
    pub bucket_ms: i64,
    /// Where the first bucket starts: at or before `from_ms`.
    pub first_bucket_ms: i64,
    /// How many buckets.
    pub buckets: usize,
}

impl Period {
    /// The period that a raw query asks for.
    ///
    /// # Errors
    /// The first fault in the contract's order: repeated, each parameter, their order, the number of buckets.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let [from, to, bucket] = ["from", "to", "bucket"].map(|name| find(query, name));
        let from = from.unless_repeated("from", "from is given more than once.")?;
        let to = to.unless_repeated("to", "to is given more than once.")?;
        let bucket = bucket.unless_repeated("bucket", "bucket is given more than once.")?;
        let from_ms = parse_ms(from, FROM)?;
        let to_ms = parse_ms(to, TO)?;
        let bucket = match bucket {
            None | Some("day") => Bucket::Day,
            Some("hour") => Bucket::Hour,
            Some(_) => return Err(Problem::bad_parameter("bucket", "bucket must be hour or day.")),
        };
        Self::new(from_ms, to_ms, bucket)
    }

    fn new(from_ms: i64, to_ms: i64, bucket: Bucket) -> Result<Self, Problem> {
        if from_ms >= to_ms {
            return Err(Problem::bad_parameter("to", "to must be later than from."));
        }
        let bucket_ms = bucket.length_ms();
        let first_bucket_ms = from_ms - from_ms.rem_euclid(bucket_ms);
        // Both are positive, so this rounds up.
        let buckets = (to_ms - first_bucket_ms + bucket_ms - 1) / bucket_ms;
        if buckets > BUCKETS_MAX {
            return Err(Problem::bad_parameter("to", "to is too far from from: at most 400 buckets."));
        }
        Ok(Self { from_ms, to_ms, bucket, bucket_ms, first_bucket_ms, buckets: buckets as usize })
    }
}

/// The `n` that a raw query of fib asks for, 0 to [`MAX_N`].
///
/// # Errors
/// When it is missing, repeated or no such number.
pub fn parse_n(query: &str) -> Result<u32, Problem> {
    match find(query, "n").unless_repeated("n", "n is given more than once.")? {
        None => Err(Problem::bad_parameter("n", "n is required.")),
        Some(text) => decimal(text, 2)
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n <= MAX_N)
            .ok_or(Problem::bad_parameter("n", "n must be an integer from 0 to 45.")),
    }
}

impl<'a> Given<'a> {
    fn unless_repeated(self, name: &'static str, detail: &'static str) -> Result<Option<&'a str>, Problem> {
        match self {
            Self::Missing => Ok(None),
            Self::Once(value) => Ok(Some(value)),
            Self::Repeated => Err(Problem::bad_parameter(name, detail)),
        }
    }
}

/// The words of a moment's faults.
struct MomentFaults {
    name: &'static str,
    missing: &'static str,
    malformed: &'static str,
}

const FROM: MomentFaults = MomentFaults {
    name: "from",
    missing: "from is required.",
    malformed: "from must be Unix milliseconds: 1 to 14 digits without leading zeros.",
};

const TO: MomentFaults = MomentFaults {
    name: "to",
    missing: "to is required.",
    malformed: "to must be Unix milliseconds: 1 to 14 digits without leading zeros.",
};

fn parse_ms(text: Option<&str>, faults: MomentFaults) -> Result<i64, Problem> {
    let text = text.ok_or(Problem::bad_parameter(faults.name, faults.missing))?;
    decimal(text, 14).ok_or(Problem::bad_parameter(faults.name, faults.malformed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(query: &str) -> &'static str {
        Period::parse(query).expect_err("a fault").detail
    }

    #[test]
    fn a_period_is_aligned_to_its_buckets() {
        let day = Period::parse("from=86400001&to=259200000").expect("a period");
        assert_eq!((day.bucket, day.first_bucket_ms, day.buckets), (Bucket::Day, 86_400_000, 2));
        let hour = Period::parse("bucket=hour&to=7200001&from=3599999&x=%zz").expect("a period");
        assert_eq!((hour.bucket_ms, hour.first_bucket_ms, hour.buckets), (3_600_000, 0, 3));
    }

    #[test]
    fn exactly_400_buckets_are_allowed() {
        assert_eq!(Period::parse("from=0&to=34560000000").expect("a period").buckets, 400);
        assert!(detail("from=0&to=34560000001").contains("400 buckets"));
        assert!(detail("from=1&to=99999999999999&bucket=hour").contains("400 buckets"));
    }

    #[test]
    fn faults_are_named_in_the_contract_s_order() {
        assert_eq!(detail("bucket=&bucket=&to=&to=&from=x&from=y"), "from is given more than once.");
        assert_eq!(detail("bucket=x&bucket=&to=&to="), "to is given more than once.");
        assert_eq!(detail("bucket=x&bucket=x"), "bucket is given more than once.");
        assert_eq!(detail("to=x&bucket=x"), "from is required.");
        assert!(detail("from&to=x&bucket=x").starts_with("from must be Unix"));
        assert_eq!(detail("from=5&bucket=x"), "to is required.");
        assert!(detail("from=5&to=05&bucket=x").starts_with("to must be Unix"));
        assert_eq!(detail("from=5&to=5&bucket="), "bucket must be hour or day.");
        assert_eq!(detail("from=5&to=5"), "to must be later than from.");
    }

    #[test]
    fn moments_have_1_to_14_plain_digits() {
        for bad in ["", "01", "00", "+1", "-1", "1.0", "1e3", "%31", "100000000000000", " 1", "١"] {
            assert!(detail(&format!("from={bad}&to=9")).starts_with("from must be"), "{bad:?}");
        }
        assert_eq!(Period::parse("from=0&to=1").expect("a period").buckets, 1);
    }

    #[test]
    fn fib_takes_0_to_45() {
        assert_eq!((parse_n("n=0"), parse_n("a=b&n=45")), (Ok(0), Ok(45)));
        for (query, wanted) in [
            ("", "n is required."),
            ("m=3", "n is required."),
            ("n=1&n=1", "n is given more than once."),
            ("n=46", "n must be an integer from 0 to 45."),
            ("n=-1", "n must be an integer from 0 to 45."),
            ("n", "n must be an integer from 0 to 45."),
        ] {
            assert_eq!(parse_n(query).expect_err("a fault").detail, wanted, "{query}");
        }
    }
}
