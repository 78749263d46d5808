//! The users of the pool: ids in row order, and the way back from an id to its row.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Why `userpool.csv` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}; name a data folder that a pool was written to")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line has no usable id.
    #[error("{path} line {line}: {fault}; write the pool again")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1, the header included.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// Whether `id` has 1 to 64 characters of `[A-Za-z0-9_-]`.
#[must_use]
pub fn is_user_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// All users; a user's index is its row in the pool. Every id is a valid one, no two are equal.
#[derive(Debug, Default)]
pub struct Users {
    ids: Vec<Box<str>>,
    index: HashMap<Box<str>, u32>,
}

impl Users {
    /// Reads the first column of the file; its first line is a header.
    ///
    /// # Errors
    /// When the file cannot be read, or a line's id is invalid or repeated.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| UsersError::Io { path: path.to_path_buf(), source })?;
        Self::parse(&text).map_err(|(line, fault)| UsersError::Line { path: path.to_path_buf(), line, fault })
    }

    /// Users with these ids, in this order.
    ///
    /// # Errors
    /// When an id is invalid or repeated.
    pub fn of(ids: &[&str]) -> Result<Self, &'static str> {
        let mut users = Self::default();
        ids.iter().try_for_each(|id| users.add(id))?;
        Ok(users)
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut lines = text.lines();
        lines.next().ok_or((1, "the header is missing"))?;
        let mut users = Self::default();
        for (row, line) in lines.enumerate() {
            let id = line.split(',').next().unwrap_or_default();
            users.add(id).map_err(|fault| (row + 2, fault))?;
        }
        Ok(users)
    }

    fn add(&mut self, id: &str) -> Result<(), &'static str> {
        if !is_user_id(id) {
            return Err("the id is not 1 to 64 letters, digits, - or _");
        }
        // The last index stands for "no user" in the party column.
        let row =
            u32::try_from(self.ids.len()).ok().filter(|row| *row != u32::MAX).ok_or("there are too many users")?;
        if self.index.insert(id.into(), row).is_some() {
            return Err("the id stands on an earlier line too");
        }
        self.ids.push(id.into());
        Ok(())
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no user at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The index of the user with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The id of the user with this index.
    ///
    /// # Panics
    /// When no user has this index.
    #[must_use]
    pub fn id(&self, index: u32) -> &str {
        &self.ids[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_names_the_users_in_row_order() {
        let users = Users::parse("user_id,tier\nu_b,fan\nu-a,host\nU9,\n").expect("users");
        assert_eq!((users.len(), users.id(0), users.id(2)), (3, "u_b", "U9"));
        assert_eq!((users.find("u-a"), users.find("u_c"), users.find("")), (Some(1), None, None));
    }

    #[test]
    fn a_bad_or_repeated_id_is_named_with_its_line() {
        assert_eq!(Users::parse("").expect_err("fault").0, 1);
        assert_eq!(Users::parse("user_id\na\n\n").expect_err("fault").0, 3);
        assert_eq!(Users::parse("user_id\na b\n").expect_err("fault").0, 2);
        assert_eq!(Users::parse("user_id\na\nb\na\n").expect_err("fault"), (4, "the id stands on an earlier line too"));
    }

    #[test]
    fn an_id_has_1_to_64_plain_characters() {
        assert!(is_user_id("a") && is_user_id(&"Z".repeat(64)) && is_user_id("0-_"));
        assert!(!is_user_id("") && !is_user_id(&"Z".repeat(65)) && !is_user_id("%61") && !is_user_id("é"));
    }
}
