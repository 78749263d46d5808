//! Content codings undone: gzip, deflate (both that servers send under that name) and br, each within bounds.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The largest body that is made of a smaller one.
const MOST_BYTES: u64 = 1 << 30;
/// How much any body may grow to; above it only as far as gzip can go at best (1,032 times), which brotli exceeds.
const ALWAYS_BYTES: u64 = 64 << 20;
const RATIO: u64 = 1_100;
/// How many codings may lie upon each other.
const MOST_CODINGS: usize = 4;

/// Returns a body without its codings, which stand in the order they were applied; None when one of them is unknown.
///
/// # Errors
/// When a body is not what its coding says, or too large without it.
pub(crate) fn decoded(raw: &[u8], codings: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
    let names: Vec<String> = codings.iter().map(|name| String::from_utf8_lossy(name).trim().to_lowercase()).collect();
    let known = |name: &String| ["gzip", "x-gzip", "deflate", "br", "identity", ""].contains(&name.as_str());
    if names.len() > MOST_CODINGS || !names.iter().all(known) {
        return Ok(None);
    }
    let mut body = None;
    let limit = MOST_BYTES.min(ALWAYS_BYTES.max(raw.len() as u64 * RATIO));
    for name in names.iter().rev() {
        let input = body.as_deref().unwrap_or(raw);
        body = match name.as_str() {
            "gzip" | "x-gzip" => Some(read(MultiGzDecoder::new(input), limit)?),
            "deflate" if is_zlib(input) => Some(read(ZlibDecoder::new(input), limit)?),
            "deflate" => Some(read(DeflateDecoder::new(input), limit)?),
            "br" => Some(read(brotli_decompressor::Decompressor::new(input, 4_096), limit)?),
            _ => body,
        };
    }
    Ok(Some(body.unwrap_or_else(|| raw.to_vec())))
}

fn read(decoder: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    decoder.take(limit + 1).read_to_end(&mut body)?;
    if body.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(body)
}

/// Whether the first two bytes are zlib's (RFC 1950 section 2.2); some servers send the bare data instead.
fn is_zlib(input: &[u8]) -> bool {
    matches!(input, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}
