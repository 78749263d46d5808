//! The Rust twin of the wallet: `balance`, `statistics` and `fib` over a ledger loaded once at start.
//!
//! A request flows down this list, an answer up:
//!
//! ```text
//! server      sockets, workers, drain            (Actix Web; the only module that knows HTTP machinery)
//! service     order of checks, one answer        (pure but for metrics)
//! route query what is asked                      (raw bytes, nothing decoded)
//! fold        the balance of one user            (pure: rows in, Balance out)
//! statistics  buckets, tops and quantiles        (pure: rows in, Statistics out)
//! encode      both as JSON bytes
//! ledger npy users   what was loaded             (columns, validated once)
//! store       what was written since             (a Redis stream, followed; only with --store)
//! ```
//!
//! Errors: [`ledger::LoadError`] and [`store::StoreError`] end the process, [`problem::Problem`] is an answer, [`fold::CorruptLedger`] becomes one.

pub mod check;
pub mod encode;
pub mod fib;
pub mod fold;
pub mod json;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod npy;
pub mod options;
pub mod problem;
#[cfg(feature = "profiling")]
pub mod profile;
pub mod query;
pub mod route;
pub mod server;
pub mod service;
pub mod statistics;
pub mod store;
pub mod users;
