//! The sender of twinload, without Python: open and closed loop over HTTP/1.1, on one epoll per thread.
//!
//! [`plan::Plan`] in, [`tally::SecondLine`]s out: [`engine::Engine`] starts a thread per core, each with a
//! [`worker::Worker`] that draws arrivals ([`arrival`], [`seats`], [`alias`]), renders requests ([`template`]), keeps
//! connections ([`pool`], [`connection`], [`tls`], [`deadlines`]), reads answers ([`parse`]) and counts ([`tally`], [`hdr`]).
//! Clock and sockets are behind [`io::Io`]; [`net`] is the real one. System calls and their unsafe code are
//! `rustix`'s, `nix`'s for kernel receive times, and `twinload-engine-sys`'s for io_uring ([`uring`]).

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod alias;
pub mod arrival;
mod check;
pub mod client;
pub mod connection;
pub mod control;
pub mod deadlines;
mod edge;
pub mod engine;
mod framing;
mod hash;
pub mod hdr;
pub mod io;
pub mod line;
pub mod net;
pub mod parse;
pub mod plan;
pub mod pool;
pub mod seats;
mod segment;
mod session;
pub mod stage;
mod stamps;
pub mod tally;
pub mod template;
pub mod tls;
pub mod uring;
pub mod worker;
