//! The gateway before a cluster: it forwards every request to one side and, in mode `shadow`, sends a copy of what is
//! safe to the rewrite and compares both answers.
//!
//! ```text
//! config route    what was asked for                    (pure: JSON text in, Config or every fault out)
//! server          sockets, limits of time, drain        (one thread per worker; the callers' side)
//! proxy           one request: route, side, answer      (headers, body, problem beside it)
//! upstream        instances, their health, connections  (the services' side)
//! canary          a share of the users to the rewrite   (who, fallback, breaker, counts)
//! mirror          copies asked and compared             (a thread of its own, never waited for)
//! compare         match, mismatch or raced              (pure)
//! pairs coverage  what is written for the judge         (JSON lines)
//! metrics status  what was counted
//! events state    what happened, and what outlives a restart
//! admin           modes, status, flush                  (loopback, token)
//! ```
//!
//! Errors: [`config::Faults`] and [`token::TokenError`] end the process before it listens, [`problem::Problem`] is an
//! answer to the caller, [`upstream::AskError`] becomes one or a pair of kind `unresponsive`.

pub mod admin;
pub mod body;
pub mod canary;
pub mod clock;
pub mod compare;
pub mod config;
pub mod coverage;
pub mod events;
pub mod headers;
pub mod log;
pub mod metrics;
pub mod mirror;
pub mod mode;
pub mod pairs;
pub mod problem;
pub mod proxy;
pub mod route;
pub mod run;
pub mod server;
pub mod state;
pub mod status;
pub mod token;
pub mod upstream;
