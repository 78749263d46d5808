//! Structured lines on stderr: one JSON object each, for start, readiness, end and the store; none per request.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes a line about something that goes as it should.
pub fn info(message: &str, fields: &[(&str, &str)]) {
    line("INFO", message, fields);
}

/// Writes a line about something that an operator should look at.
pub fn warn(message: &str, fields: &[(&str, &str)]) {
    line("WARN", message, fields);
}

/// Writes one line. A stderr that is gone is no reason to stop serving.
fn line(level: &str, message: &str, fields: &[(&str, &str)]) {
    let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut line = format!("{{\"time_ms\":{unix_ms},\"level\":\"{level}\",\"msg\":{}", quoted(message));
    for (name, value) in fields {
        line.push_str(&format!(",{}:{}", quoted(name), quoted(value)));
    }
    line.push_str("}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_backslashes_and_control_characters_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\u000ad\"");
    }
}
