//! Structured lines on stderr: one JSON object each, for what changes; none per request.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::clock;

/// Writes one line; `fields` is an object. A stderr that is gone is no reason to stop serving.
pub fn info(message: &str, fields: &Value) {
    write("INFO", message, fields);
}

/// The same for what an operator should look at.
pub fn warn(message: &str, fields: &Value) {
    write("WARN", message, fields);
}

fn write(level: &str, message: &str, fields: &Value) {
    let _ = std::io::stderr().lock().write_all(line(clock::now().unix_ms, level, message, fields).as_bytes());
}

fn line(unix_ms: u64, level: &str, message: &str, fields: &Value) -> String {
    let mut line = format!("{{\"time_ms\":{unix_ms},\"level\":\"{level}\",\"msg\":{}", json!(message));
    for (name, value) in fields.as_object().into_iter().flatten() {
        line.push_str(&format!(",{}:{value}", json!(name)));
    }
    line.push_str("}\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let text = line(5, "INFO", "mode \"off\"\n", &json!({"from": "shadow"}));
        assert_eq!(text, "{\"time_ms\":5,\"level\":\"INFO\",\"msg\":\"mode \\\"off\\\"\\n\",\"from\":\"shadow\"}\n");
    }
}
