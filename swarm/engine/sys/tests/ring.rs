//! The ring over pairs of sockets. Where the kernel or a container offers no io_uring, these say so and test nothing.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use twinload_engine_sys::{Completion, Kind, Ring};

const SECOND_NS: u64 = 1_000_000_000;

fn ring(slots: u32, buffers: u16, buffer_bytes: u32) -> Option<Ring> {
    Ring::new(slots, buffers, buffer_bytes).inspect_err(|error| println!("no io_uring here: {error}")).ok()
}

/// Attaches one end of a pair to a slot and returns both.
fn pair(ring: &mut Ring, slot: u32) -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a flag");
    ring.attach(slot, ours.as_fd()).expect("room");
    (ours, theirs)
}

/// Waits for the next completion.
fn next(ring: &mut Ring) -> Completion {
    for _ in 0..100 {
        if let Some(done) = ring.completed() {
            return done;
        }
        ring.wait(SECOND_NS).expect("it waits");
    }
    panic!("nothing completed");
}

#[test]
fn bytes_go_out_and_come_in_and_an_end_is_told() {
    let Some(mut ring) = ring(2, 4, 128) else { return };
    let (_ours, mut theirs) = pair(&mut ring, 1);
    assert!(ring.send(1, 7, b"ping").expect("queued"));
    assert!(!ring.send(1, 7, b"pong").expect("queued"), "the outbox is taken until its completion");
    let sent = next(&mut ring);
    assert_eq!((sent.kind, sent.slot, sent.serial, sent.result), (Kind::Sent, 1, 7, 4));
    let mut bytes = [0; 4];
    theirs.read_exact(&mut bytes).expect("four bytes");
    assert_eq!(&bytes, b"ping");

    ring.receive(1, 7).expect("queued");
    for text in [&b"one"[..], b"three"] {
        theirs.write_all(text).expect("room");
        let come = next(&mut ring);
        assert_eq!((come.kind, come.result, come.more), (Kind::Received, text.len() as i32, true));
        let buffer = come.buffer.expect("a buffer");
        assert_eq!(ring.bytes(buffer), text);
        ring.give_back(buffer);
        assert_eq!(ring.bytes(buffer), b"", "it is the kernel's again");
    }
    drop(theirs);
    let end = next(&mut ring);
    assert_eq!((end.kind, end.result, end.more), (Kind::Received, 0, false));
}

#[test]
fn a_receive_without_buffers_ends_and_goes_on_when_armed_again() {
    let Some(mut ring) = ring(1, 2, 64) else { return };
    let (_ours, mut theirs) = pair(&mut ring, 0);
    theirs.write_all(&[b'x'; 200]).expect("room");
    ring.receive(0, 1).expect("queued");
    let mut come = 0;
    while come < 200 {
        let done = next(&mut ring);
        if let Some(buffer) = done.buffer {
            come += ring.bytes(buffer).len();
            assert!(ring.bytes(buffer).iter().all(|&byte| byte == b'x'));
            ring.give_back(buffer);
        } else {
            assert_eq!((done.result, done.more), (-105, false), "ENOBUFS");
        }
        if !done.more {
            ring.receive(0, 1).expect("queued");
        }
    }
    assert_eq!(come, 200);
}

#[test]
fn a_long_send_is_finished_by_the_kernel() {
    let Some(mut ring) = ring(1, 1, 64) else { return };
    let (_ours, mut theirs) = pair(&mut ring, 0);
    let long: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    assert!(ring.send(0, 1, &long).expect("queued"));
    ring.submit().expect("submitted");
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; 2_000_000];
        theirs.read_exact(&mut all).map(|()| all)
    });
    let sent = next(&mut ring);
    assert_eq!((sent.kind, sent.result), (Kind::Sent, 2_000_000));
    assert!(reader.join().expect("no panic").expect("all of it") == long);
}

#[test]
fn sockets_tell_that_they_can_be_written_to_and_broken_ones_fail() {
    let Some(mut ring) = ring(1, 1, 64) else { return };
    let (_ours, theirs) = pair(&mut ring, 0);
    ring.poll_writable(0, 3).expect("queued");
    assert_eq!((next(&mut ring).kind, next_is_none(&mut ring)), (Kind::Writable, true));
    drop(theirs);
    assert!(ring.send(0, 3, b"x").expect("queued"));
    assert_eq!((next(&mut ring).result, ring.detach(0).is_ok()), (-32, true), "EPIPE");
    assert!(ring.send(0, 3, b"x").expect("queued"));
    assert_eq!(next(&mut ring).result, -9, "EBADF: the slot is empty");
}

fn next_is_none(ring: &mut Ring) -> bool {
    ring.wait(0).expect("it waits");
    ring.completed().is_none()
}

#[test]
fn a_ring_can_be_dropped_while_the_kernel_still_uses_it() {
    let Some(mut first) = ring(2, 8, 256) else { return };
    let (_ours, mut theirs) = pair(&mut first, 0);
    let (_other, _full) = pair(&mut first, 1);
    first.receive(0, 1).expect("queued");
    assert!(first.send(1, 1, &vec![0; 4_000_000]).expect("queued"), "nobody reads it");
    first.submit().expect("submitted");
    drop(first);
    theirs.write_all(b"late").expect("room");
    // On another thread than the one that used it, it cannot ask the kernel to stop, and leaks instead.
    let Some(mut second) = ring(1, 8, 256) else { return };
    let (_ours, mut theirs) = pair(&mut second, 0);
    second.receive(0, 1).expect("queued");
    second.submit().expect("submitted");
    std::thread::spawn(move || drop(second)).join().expect("no panic");
    theirs.write_all(b"late").expect("room");
}
