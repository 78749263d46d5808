//! Whether two answers are the same: status, the headers that count, body, byte for byte.

use hyper::header::{HeaderMap, HeaderName};

use crate::pairs::Answer;

/// What a pair of answers shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same in all that counts.
    Match,
    /// They saw different states of the data; they cannot be held against each other.
    Raced,
    /// They differ; the first of status, header and body that does.
    Differs(Difference),
}

/// In what two answers differ first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The status.
    Status,
    /// A header that counts: its values or their order.
    Header,
    /// The body.
    Body,
}

/// What counts.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Headers whose values, in their order, must be the same.
    pub headers: Vec<HeaderName>,
    /// A header that tells the state of the data. The pair raced when both answers have it and its values differ.
    pub raced: Option<HeaderName>,
}

impl Rules {
    /// Holds the candidate's answer against the baseline's.
    #[must_use]
    pub fn judge(&self, baseline: &Answer, candidate: &Answer) -> Verdict {
        if self.raced.as_ref().is_some_and(|name| raced(name, &baseline.headers, &candidate.headers)) {
            return Verdict::Raced;
        }
        if baseline.status != candidate.status {
            return Verdict::Differs(Difference::Status);
        }
        let same = |name: &HeaderName| baseline.headers.get_all(name).iter().eq(candidate.headers.get_all(name).iter());
        if !self.headers.iter().all(same) {
            return Verdict::Differs(Difference::Header);
        }
        // A candidate's body that was cut is longer than the baseline's, which is whole.
        if baseline.body != candidate.body || candidate.truncated {
            return Verdict::Differs(Difference::Body);
        }
        Verdict::Match
    }
}

fn raced(name: &HeaderName, one: &HeaderMap, other: &HeaderMap) -> bool {
    one.contains_key(name) && other.contains_key(name) && !one.get_all(name).iter().eq(other.get_all(name).iter())
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, headers: map, body: body.to_vec(), truncated: false, ms: 1.0, instance: "i".into() }
    }

    fn rules() -> Rules {
        let name = HeaderName::from_static;
        Rules { headers: vec![name("content-type"), name("allow")], raced: Some(name("ledger-as-of")) }
    }

    #[test]
    fn headers_that_do_not_count_may_differ() {
        let one = answer(200, &[("date", "a"), ("content-type", "x"), ("ledger-as-of", "7")], b"{}");
        let other = answer(200, &[("content-type", "x"), ("ledger-as-of", "7"), ("server", "b")], b"{}");
        assert_eq!(rules().judge(&one, &other), Verdict::Match);
    }

    #[test]
    fn status_goes_before_header_and_header_before_body() {
        let base = answer(200, &[("content-type", "x")], b"1");
        for (other, difference) in [
            (answer(404, &[("content-type", "y")], b"2"), Difference::Status),
            (answer(200, &[("content-type", "y")], b"2"), Difference::Header),
            (answer(200, &[], b"1"), Difference::Header),
            (answer(200, &[("content-type", "x")], b"2"), Difference::Body),
        ] {
            assert_eq!(rules().judge(&base, &other), Verdict::Differs(difference));
        }
    }

    #[test]
    fn repeated_headers_count_in_their_order() {
        let one = answer(200, &[("allow", "GET"), ("allow", "HEAD")], b"");
        let other = answer(200, &[("allow", "HEAD"), ("allow", "GET")], b"");
        assert_eq!(rules().judge(&one, &one), Verdict::Match);
        assert_eq!(rules().judge(&one, &other), Verdict::Differs(Difference::Header));
    }

    #[test]
    fn a_longer_body_that_was_cut_is_never_the_same() {
        let whole = answer(200, &[], b"1234");
        let cut = Answer { truncated: true, ..whole.clone() };
        assert_eq!(rules().judge(&whole, &cut), Verdict::Differs(Difference::Body));
    }

    #[test]
    fn a_pair_raced_only_when_both_tell_their_state() {
        let (seven, eight, silent) = (
            answer(200, &[("ledger-as-of", "7")], b"1"),
            answer(200, &[("ledger-as-of", "8")], b"1"),
            answer(200, &[], b"2"),
        );
        assert_eq!(rules().judge(&seven, &eight), Verdict::Raced);
        assert_eq!(rules().judge(&seven, &silent), Verdict::Differs(Difference::Body));
    }

    proptest! {
        #[test]
        fn any_change_of_one_byte_is_seen(body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), by in 1..=255_u8) {
            let base = answer(200, &[], &body);
            let mut changed = body.clone();
            let at = at.index(changed.len());
            changed[at] = changed[at].wrapping_add(by);
            prop_assert_eq!(rules().judge(&base, &answer(200, &[], &body)), Verdict::Match);
            prop_assert_eq!(rules().judge(&base, &answer(200, &[], &changed)), Verdict::Differs(Difference::Body));
        }
    }
}
