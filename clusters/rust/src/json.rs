//! Appends JSON to a reused buffer: numbers by `itoa`, names and ids as they are.
//!
//! Why not serde: see `benches/answers.rs`, which measures both on the same answers.

/// A buffer that JSON is appended to; it keeps its capacity over answers.
#[derive(Debug, Default)]
pub struct Json {
    bytes: Vec<u8>,
}

impl Json {
    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What was written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends text as it is; the caller vouches that it needs no escaping.
    #[inline]
    pub fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Appends an integer.
    #[inline]
    pub fn int(&mut self, value: impl itoa::Integer) {
        self.bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Appends `before`, then an integer: a member's name with its value.
    #[inline]
    pub fn member(&mut self, before: &str, value: impl itoa::Integer) {
        self.raw(before);
        self.int(value);
    }

    /// Appends an integer or `null`.
    #[inline]
    pub fn nullable(&mut self, value: Option<impl itoa::Integer>) {
        match value {
            Some(value) => self.int(value),
            None => self.raw("null"),
        }
    }

    /// Appends `[..]` with one `item` call an element and commas between.
    #[inline]
    pub fn array<T>(&mut self, elements: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.bytes.push(b'[');
        let start = self.bytes.len();
        for element in elements {
            if self.bytes.len() > start {
                self.bytes.push(b',');
            }
            item(self, element);
        }
        self.bytes.push(b']');
    }

    /// Appends `[n,..]`. Most buckets of most users are 0, which has a way of its own.
    pub fn ints(&mut self, values: impl IntoIterator<Item = u64>) {
        self.bytes.push(b'[');
        let start = self.bytes.len();
        for value in values {
            if value == 0 {
                self.bytes.extend_from_slice(b"0,");
            } else {
                self.int(value);
                self.bytes.push(b',');
            }
        }
        if self.bytes.len() > start {
            self.bytes.pop();
        }
        self.bytes.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_arrays_and_nulls_are_written_without_white_space() {
        let mut json = Json::default();
        json.member("{\"a\":", -5i64);
        json.raw(",\"b\":");
        json.nullable(None::<u32>);
        json.raw(",\"c\":");
        json.nullable(Some(7u32));
        json.raw(",\"d\":");
        json.ints([0, 18_446_744_073_709_551_615, 0]);
        json.raw(",\"e\":");
        json.ints([]);
        json.raw("}");
        assert_eq!(json.as_bytes(), br#"{"a":-5,"b":null,"c":7,"d":[0,18446744073709551615,0],"e":[]}"#);
    }
}
