//! Reads the flat columns of a ledger: NumPy format 1.0, one dimension, little-endian, C order.
//!
//! A reader of its own: the seven files have one shape and four types, and a column goes straight into
//! its `Vec` through one small buffer, so that loading never holds a second copy of the ledger.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
const CHUNK_BYTES: usize = 64 * 1024;

/// Why a column could not be read; every message names the file and what it should be.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// The file could not be opened or read.
    #[error("cannot read {path}: {source}; name a data folder that a pool was written to")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a column of the wanted type.
    #[error("{path} is not a usable column: {fault}; write the pool again")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what was wanted.
        fault: String,
    },
}

/// A number that a column can hold.
pub trait Element: Copy {
    /// NumPy's name of the type, as in the file's header.
    const DESCR: &'static str;
    /// Bytes of one number in the file.
    const WIDTH: usize;
    /// The number in `bytes`, which has exactly [`Self::WIDTH`] of them.
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($type:ty, $descr:literal) => {
        impl Element for $type {
            const DESCR: &'static str = $descr;
            const WIDTH: usize = size_of::<$type>();
            fn from_le(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$type>()];
                raw.copy_from_slice(bytes);
                <$type>::from_le_bytes(raw)
            }
        }
    };
}
element!(u8, "|u1");
element!(u32, "<u4");
element!(i64, "<i8");

/// The whole column of the file at `path`.
///
/// # Errors
/// When the file cannot be read, is not NumPy 1.0, has another type or shape, or is longer or shorter than its header says.
pub fn read_column<T: Element>(path: &Path) -> Result<Vec<T>, NpyError> {
    let io = |source| NpyError::Io { path: path.to_path_buf(), source };
    let format = |fault| NpyError::Format { path: path.to_path_buf(), fault };
    let mut file = File::open(path).map_err(io)?;
    let file_bytes = file.metadata().map_err(io)?.len();
    let header = read_header(&mut file)
        .map_err(io)?
        .ok_or_else(|| format("it does not start as NumPy format 1.0".to_owned()))?;
    let rows = parse_header::<T>(&header).map_err(format)?;
    let wanted_bytes = rows
        .checked_mul(T::WIDTH as u64)
        .and_then(|data| data.checked_add(MAGIC.len() as u64 + 2 + header.len() as u64));
    if wanted_bytes != Some(file_bytes) {
        return Err(format(format!("it has {file_bytes} bytes, which {rows} rows do not make")));
    }
    read_rows(&mut file, rows as usize).map_err(io)
}

fn read_header(file: &mut File) -> std::io::Result<Option<String>> {
    let mut start = [0; 10];
    if let Err(fault) = file.read_exact(&mut start) {
        return if fault.kind() == std::io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(fault) };
    }
    if &start[..8] != MAGIC {
        return Ok(None);
    }
    let mut header = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    match file.read_exact(&mut header) {
        Ok(()) => Ok(String::from_utf8(header).ok()),
        Err(fault) if fault.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The number of rows, when the header is one of a column of `T`.
fn parse_header<T: Element>(header: &str) -> Result<u64, String> {
    let descr = member(header, "'descr':").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
    match descr {
        Some((found, _)) if found == T::DESCR => {}
        Some((found, _)) => return Err(format!("its type is {found}, not {}", T::DESCR)),
        None => return Err("its header names no type".to_owned()),
    }
    if !member(header, "'fortran_order':").is_some_and(|rest| rest.starts_with("False")) {
        return Err("it is not in C order".to_owned());
    }
    member(header, "'shape':")
        .and_then(|rest| rest.strip_prefix('(')?.split_once(",)"))
        .and_then(|(rows, _)| rows.parse().ok())
        .ok_or_else(|| "its shape is not one dimension".to_owned())
}

fn member<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split_once(name).map(|(_, rest)| rest.trim_start())
}

fn read_rows<T: Element>(file: &mut File, rows: usize) -> std::io::Result<Vec<T>> {
    let mut column = Vec::with_capacity(rows);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left_bytes = rows * T::WIDTH;
    while left_bytes > 0 {
        let now = &mut chunk[..left_bytes.min(CHUNK_BYTES)];
        file.read_exact(now)?;
        column.extend(now.chunks_exact(T::WIDTH).map(T::from_le));
        left_bytes -= now.len();
    }
    Ok(column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes).expect("written");
        file
    }

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn fault_of<T: Element + std::fmt::Debug>(bytes: &[u8]) -> String {
        read_column::<T>(file_of(bytes).path()).expect_err("a fault").to_string()
    }

    #[test]
    fn a_column_of_three_numbers_is_read() {
        let bytes = npy(
            "{'descr': '<u4', 'fortran_order': False, 'shape': (3,), }    \n",
            &[1, 0, 0, 0, 0, 1, 0, 0, 255, 255, 255, 255],
        );
        assert_eq!(read_column::<u32>(file_of(&bytes).path()).expect("a column"), [1, 256, u32::MAX]);
    }

    #[test]
    fn an_empty_column_is_read() {
        let bytes = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (0,), }\n", &[]);
        assert!(read_column::<i64>(file_of(&bytes).path()).expect("a column").is_empty());
    }

    #[test]
    fn a_column_longer_than_the_buffer_is_read_whole() {
        let data: Vec<u8> = (0..300_000u32).map(|value| value as u8).collect();
        let bytes = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (300000,), }\n", &data);
        assert_eq!(read_column::<u8>(file_of(&bytes).path()).expect("a column"), data);
    }

    #[test]
    fn another_type_is_named() {
        let bytes = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }\n", &[]);
        assert!(fault_of::<i64>(&bytes).contains("its type is <f8, not <i8"));
    }

    #[test]
    fn two_dimensions_fortran_order_and_a_short_file_are_faults() {
        let two = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }\n", &[0; 4]);
        let fortran = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }\n", &[0]);
        let short = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }\n", &[0; 8]);
        assert!(fault_of::<u8>(&two).contains("one dimension"));
        assert!(fault_of::<u8>(&fortran).contains("C order"));
        assert!(fault_of::<u8>(&short).contains("9 rows do not make"));
        assert!(fault_of::<u8>(b"\x93NUMPY").contains("NumPy format 1.0"));
        assert!(fault_of::<u8>(b"userid,tier\nabc,viewer\n").contains("NumPy format 1.0"));
    }

    #[test]
    fn a_shape_beyond_memory_is_a_fault_before_anything_is_reserved() {
        let huge = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (4611686018427387904,), }\n", &[]);
        assert!(fault_of::<i64>(&huge).contains("rows do not make"));
    }
}
