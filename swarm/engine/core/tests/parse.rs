//! Whole, broken and hostile answers, in one piece and cut at every byte.

use proptest::prelude::*;
use twinload_engine_core::parse::{Answer, BodyHash, Limits, ParseError, Parser, Progress, body_hash};

type Outcome = Result<(Answer, u64, usize), ParseError>;

/// Feeds pieces, then closes; the outcome has the body's hash and how many bytes were left over.
fn read(pieces: &[&[u8]], head_only: bool) -> Outcome {
    let mut parser = Parser::new(Limits { head_bytes: 512 });
    parser.begin(head_only);
    let mut hash = BodyHash::default();
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        match parser.feed(piece, &mut hash)? {
            Progress::More => left -= piece.len(),
            Progress::Done { answer, used } => return Ok((answer, hash.value(), left - used)),
        }
    }
    parser.close().map(|answer| (answer, hash.value(), left))
}

fn hash(body: &str) -> u64 {
    body_hash(body.as_bytes())
}

fn good(status: u16, body: &str, keep_alive: bool, left: usize) -> Outcome {
    Ok((Answer { status, body_bytes: body.len() as u64, keep_alive }, hash(body), left))
}

/// Answers, how they end, and whether they answer a HEAD.
fn corpus() -> Vec<(Vec<u8>, bool, Outcome)> {
    let get = |text: &str, outcome| (text.as_bytes().to_vec(), false, outcome);
    let long = "a".repeat(600);
    vec![
        get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", good(200, "hello", true, 0)),
        get("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhelloHTTP", good(200, "hello", true, 4)),
        get("\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", good(200, "ok", true, 0)),
        get("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", good(200, "", false, 0)),
        get("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", good(200, "ok", false, 0)),
        get("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nok", good(200, "ok", true, 0)),
        get("HTTP/1.1 204 No Content\r\n\r\nxx", good(204, "", true, 2)),
        get("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", good(304, "", true, 0)),
        get("HTTP/1.1 200 OK\r\n\r\nto the end", good(200, "to the end", false, 0)),
        get(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
            good(404, "x", true, 0),
        ),
        get(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
            good(200, "Wiki0123456789", true, 0),
        ),
        get(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n1 \r\nx\r\n00\r\nT: v\r\nU: w\r\n\r\nHTTP",
            good(200, "x", true, 4),
        ),
        get(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            good(200, "x", false, 0),
        ),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", good(200, "abc", false, 0)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(), true, good(200, "", true, 0)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), true, good(200, "", true, 0)),
        get("", Err(ParseError::Truncated)),
        get("HTTP/1.1 200 OK\r\nContent-Le", Err(ParseError::Truncated)),
        get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Err(ParseError::Truncated)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWi", Err(ParseError::Truncated)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", Err(ParseError::Truncated)),
        get("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Err(ParseError::Length)),
        get("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", Err(ParseError::Length)),
        get("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", Err(ParseError::Length)),
        get("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", Err(ParseError::Length)),
        get("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", Err(ParseError::Length)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Err(ParseError::Chunk)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", Err(ParseError::Chunk)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", Err(ParseError::Chunk)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", Err(ParseError::Chunk)),
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", Err(ParseError::Chunk)),
        get("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Err(ParseError::Chunk)),
        get("HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(ParseError::Interim)),
        get(&"HTTP/1.1 102 Processing\r\n\r\n".repeat(40), Err(ParseError::Interim)),
        get("SSH-2.0-server\r\n\r\n", Err(ParseError::Head)),
        get("HTTP/2 200\r\n\r\n", Err(ParseError::Head)),
        get("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Err(ParseError::Head)),
        get(&format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"), Err(ParseError::TooLarge)),
        get(&format!("HTTP/1.1 200 OK\r\nX: {long}"), Err(ParseError::TooLarge)),
        get(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A:b\r\n".repeat(97)), Err(ParseError::TooLarge)),
        get(
            &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: {long}\r\n\r\n"),
            Err(ParseError::TooLarge),
        ),
        get(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{long}\r\n"), Err(ParseError::TooLarge)),
    ]
}

#[test]
fn every_answer_of_the_corpus_ends_as_it_should() {
    for (bytes, head_only, outcome) in corpus() {
        assert_eq!(read(&[&bytes], head_only), outcome, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_split_at_any_byte_changes_nothing() {
    for (bytes, head_only, outcome) in corpus() {
        for at in 0..=bytes.len() {
            let two = read(&[&bytes[..at], &bytes[at..]], head_only);
            assert_eq!(two, outcome, "at {at}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn one_byte_at_a_time_changes_nothing() {
    for (bytes, head_only, outcome) in corpus() {
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&pieces, head_only), outcome, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_long_body_behind_a_split_head_is_no_long_head() {
    let body = "b".repeat(5_000);
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{body}");
    for at in 1..60 {
        assert_eq!(read(&[&text.as_bytes()[..at], &text.as_bytes()[at..]], false), good(200, &body, true, 0));
    }
}

#[test]
fn an_endless_head_stops_at_the_limit() {
    let mut parser = Parser::new(Limits { head_bytes: 1_000 });
    assert_eq!(parser.feed(b"HTTP/1.1 200 OK\r\n", &mut ()), Ok(Progress::More));
    let fault = std::iter::repeat_with(|| parser.feed(b"X: y\r\n", &mut ())).take(1_000).find_map(Result::err);
    assert_eq!(fault, Some(ParseError::TooLarge));
}

proptest! {
    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..50) {
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        let _ = read(&pieces, false);
    }

    #[test]
    fn a_damaged_answer_is_good_or_bad_however_it_is_cut(which in 0_usize..40, at in 0_usize..200, byte in any::<u8>(), cut in 1_usize..30) {
        let (mut bytes, head_only, _) = corpus().swap_remove(which);
        if let Some(place) = bytes.get_mut(at) { *place = byte; }
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        // Which fault is found first may differ: a part of a head can be too short to be seen as none.
        prop_assert_eq!(read(&pieces, head_only).ok(), read(&[&bytes], head_only).ok());
    }

    #[test]
    fn chunks_of_any_size_make_the_body(body in "[a-z]{0,400}", sizes in prop::collection::vec(1_usize..60, 1..20), cut in 1_usize..70) {
        let (mut wire, mut rest) = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), body.as_bytes());
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            if chunk.is_empty() { break; }
            wire.extend_from_slice(&[chunk, b"\r\n"].concat());
            rest = after;
        }
        wire.extend_from_slice(b"\r\n");
        let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
        prop_assert_eq!(read(&pieces, false), good(200, &body, true, 0));
    }
}
