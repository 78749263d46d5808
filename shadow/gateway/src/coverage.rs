//! How much was compared, second by second: one JSON line per route and class of the baseline's answer.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::metrics::{CLASSES, Metrics, Outcome, read};

type Row = [u64; Outcome::ALL.len()];

/// Writes what was counted since the line before.
#[derive(Debug)]
pub struct Coverage {
    file: File,
    last: Vec<[Row; CLASSES.len()]>,
}

/// The file of coverage beside a file of pairs.
#[must_use]
pub fn beside(pairs: &Path) -> PathBuf {
    let mut name = pairs.as_os_str().to_owned();
    name.push(".coverage");
    PathBuf::from(name)
}

impl Coverage {
    /// Opens the file to append.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, routes: usize) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { file, last: vec![[[0; Outcome::ALL.len()]; CLASSES.len()]; routes] })
    }

    /// Writes the lines of everything that changed.
    ///
    /// # Errors
    /// The lines cannot be written.
    pub fn write(&mut self, metrics: &Metrics, names: &[&str], t_ns: u64) -> std::io::Result<()> {
        let mut lines = String::new();
        for (route, name) in names.iter().enumerate() {
            for (class, label) in CLASSES.iter().enumerate() {
                let now: Row = std::array::from_fn(|outcome| read(&metrics.copies(route).outcomes[class][outcome]));
                let before = std::mem::replace(&mut self.last[route][class], now);
                if now != before {
                    lines.push_str(&format!("{}\n", line(name, label, t_ns, &difference(&now, &before))));
                }
            }
        }
        self.file.write_all(lines.as_bytes())
    }
}

fn difference(now: &Row, before: &Row) -> Row {
    std::array::from_fn(|index| now[index] - before[index])
}

fn line(route: &str, class: &str, t_ns: u64, row: &Row) -> Value {
    let counts = Outcome::ALL.iter().zip(row).map(|(outcome, count)| (outcome.name().to_owned(), json!(count)));
    let mut line: Map<String, Value> = counts.collect();
    line.insert("t_ns".to_owned(), json!(t_ns));
    line.insert("route".to_owned(), json!(route));
    line.insert("class".to_owned(), json!(class));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    #[test]
    fn only_what_is_new_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = beside(&folder.path().join("pairs.jsonl"));
        assert!(path.ends_with("pairs.jsonl.coverage"));
        let metrics = Metrics::new(1);
        let mut coverage = Coverage::open(&path, metrics.routes()).expect("a file");
        metrics.outcome(0, StatusCode::OK, Outcome::Match);
        metrics.outcome(0, StatusCode::OK, Outcome::Match);
        metrics.outcome(0, StatusCode::NOT_FOUND, Outcome::Raced);
        coverage.write(&metrics, &["balance", "unmatched"], 5).expect("it is written");
        coverage.write(&metrics, &["balance", "unmatched"], 6).expect("nothing new");
        metrics.outcome(0, StatusCode::OK, Outcome::Mismatch);
        coverage.write(&metrics, &["balance", "unmatched"], 7).expect("it is written");
        let text = std::fs::read_to_string(path).expect("the file");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of = |line: &Value| {
            (
                line["t_ns"].as_u64(),
                line["class"].as_str().map(str::to_owned),
                line["match"].as_u64(),
                line["raced"].as_u64(),
            )
        };
        assert_eq!(of(&lines[0]), (Some(5), Some("2xx".into()), Some(2), Some(0)));
        assert_eq!(of(&lines[1]), (Some(5), Some("4xx".into()), Some(0), Some(1)));
        assert_eq!(of(&lines[2]), (Some(7), Some("2xx".into()), Some(0), Some(0)));
        assert_eq!((lines.len(), &lines[2]["mismatch"]), (3, &json!(1)));
    }
}
