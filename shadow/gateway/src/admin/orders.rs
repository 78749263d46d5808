//! What operators may ask for, read from a body or a query. Pure.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::mode::Mode;

/// Why something is not done: status and one sentence.
pub(super) type Refusal = (StatusCode, &'static str);

const WHY_CHARACTERS: usize = 200;

/// A share of the users for the candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ShareOrder {
    /// 0 to 1.
    pub(super) share: f64,
    /// The number of the last event that is known to who asks.
    pub(super) seen: Option<u64>,
}

/// What an operator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on to the next share.
    Step,
    /// Stay until told otherwise.
    Hold,
    /// Go on by the figures again.
    Resume,
    /// Everybody to the baseline, now.
    Back,
}

impl Order {
    const ALL: [Self; 4] = [Self::Step, Self::Hold, Self::Resume, Self::Back];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Back => "back",
        }
    }
}

/// `{"mode": "shadow"}`
pub(super) fn mode(body: &[u8]) -> Result<Mode, Refusal> {
    let object = object(body).unwrap_or_default();
    let found = object.get("mode").and_then(Value::as_str).and_then(Mode::from_name);
    found.ok_or((StatusCode::BAD_REQUEST, "Say {\"mode\": \"off\"}, or shadow, canary, full."))
}

/// `{"share": 0.05}`, and `"seen": 7` where it must not overtake an operator.
pub(super) fn share(body: &[u8]) -> Result<ShareOrder, Refusal> {
    let unfit =
        (StatusCode::BAD_REQUEST, "Say {\"share\": 0.05}, a number from 0 to 1; \"seen\" is an event's number.");
    let object = object(body).ok_or(unfit)?;
    let share = object.get("share").and_then(Value::as_f64).filter(|share| (0.0..=1.0).contains(share)).ok_or(unfit)?;
    let seen = match object.get("seen").filter(|value| !value.is_null()) {
        Some(value) => Some(value.as_u64().ok_or(unfit)?),
        None => None,
    };
    Ok(ShareOrder { share, seen })
}

/// `{"do": "hold", "why": "lunch"}`
pub(super) fn order(body: &[u8]) -> Result<(Order, String), Refusal> {
    let unfit =
        (StatusCode::BAD_REQUEST, "Say {\"do\": \"step\"}, or hold, resume, back; \"why\" has at most 200 characters.");
    let object = object(body).ok_or(unfit)?;
    let name = object.get("do").and_then(Value::as_str).ok_or(unfit)?;
    let order = Order::ALL.into_iter().find(|order| order.name() == name).ok_or(unfit)?;
    let why = match object.get("why").filter(|value| !value.is_null()) {
        Some(value) => value.as_str().filter(|why| why.chars().count() <= WHY_CHARACTERS).ok_or(unfit)?,
        None => "",
    };
    Ok((order, why.to_owned()))
}

/// `after=7`; without it 0.
pub(super) fn after(query: Option<&str>) -> Result<u64, Refusal> {
    let unfit = (StatusCode::BAD_REQUEST, "Say /events?after=N, N being the number of the last event that is known.");
    match query.filter(|query| !query.is_empty()) {
        Some(query) => query.strip_prefix("after=").and_then(|number| number.parse().ok()).ok_or(unfit),
        None => Ok(0),
    }
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        assert_eq!(mode(br#"{"mode": "canary"}"#), Ok(Mode::Canary));
        assert_eq!(share(br#"{"share": 1}"#), Ok(ShareOrder { share: 1.0, seen: None }));
        assert_eq!(share(br#"{"share": 0.05, "seen": 7}"#), Ok(ShareOrder { share: 0.05, seen: Some(7) }));
        for known in Order::ALL {
            let body = format!(r#"{{"do": "{}", "why": "ä"}}"#, known.name());
            assert_eq!(order(body.as_bytes()), Ok((known, "ä".to_owned())));
        }
        assert_eq!(order(br#"{"do": "back"}"#), Ok((Order::Back, String::new())));
        assert_eq!([None, Some(""), Some("after=7")].map(after), [Ok(0), Ok(0), Ok(7)]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_would_be_right() {
        let long = format!(r#"{{"do": "hold", "why": "{}"}}"#, "ä".repeat(201));
        assert!(order(long.replace('ä', "").as_bytes()).is_ok());
        let told = [
            mode(b"shadow").expect_err("refused"),
            mode(br#"{"mode": "on"}"#).expect_err("refused"),
            share(br#"{"share": 1.01}"#).expect_err("refused"),
            share(br#"{"share": "0.5"}"#).expect_err("refused"),
            share(br#"{"share": 0.5, "seen": -1}"#).expect_err("refused"),
            share(b"[0.5]").expect_err("refused"),
            order(br#"{"do": "stop"}"#).expect_err("refused"),
            order(br#"{"do": "hold", "why": 7}"#).expect_err("refused"),
            order(long.as_bytes()).expect_err("refused"),
            after(Some("after=x")).expect_err("refused"),
            after(Some("before=7")).expect_err("refused"),
        ];
        assert!(told.iter().all(|(status, detail)| *status == 400 && detail.starts_with("Say ")));
    }
}
