//! The Python extension `twinload_engine`: the engine's core with Python values at its edge, and nothing else.
//!
//! No thread, socket or descriptor is made at import: Locust forks its worker processes after the locustfile was
//! imported.

#![deny(unsafe_op_in_unsafe_fn)]

mod client;
mod decode;
mod reply;
mod schedule;
mod wire;

use pyo3::prelude::*;

/// The sender of twinload.
#[pymodule]
mod twinload_engine {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::client::{Channel, Client, ClientVitals, Tls};
    #[pymodule_export]
    use crate::reply::Reply;
    #[pymodule_export]
    use crate::schedule::{Pool, Schedule};

    /// Returns the monotonic clock in ns, the one that every part of a run counts on.
    #[pyfunction]
    fn monotonic_ns() -> u64 {
        twinload_engine_core::net::monotonic_ns()
    }

    /// Returns whether a path is a target as it stands.
    #[pyfunction]
    #[pyo3(signature = (path, /))]
    fn is_plain_path(path: &Bound<'_, PyAny>) -> bool {
        path.extract::<&str>().is_ok_and(twinload_engine_core::client::is_plain_path)
    }

    /// Returns the 64-bit hash of a body; never 0.
    #[pyfunction]
    fn body_hash(py: Python<'_>, body: &[u8]) -> u64 {
        py.detach(|| twinload_engine_core::parse::body_hash(body))
    }
}
