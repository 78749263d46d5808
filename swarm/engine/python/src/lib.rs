//! The Python extension `twinload_engine`: the engine's core with Python values at its edge, and nothing else.
//!
//! No thread, socket or descriptor is made at import: Locust forks its worker processes after the locustfile was
//! imported.

#![deny(unsafe_op_in_unsafe_fn)]

use pyo3::prelude::*;

/// The sender of twinload.
#[pymodule]
mod twinload_engine {
    use pyo3::prelude::*;

    /// Returns the monotonic clock in ns, the one that every part of a run counts on.
    #[pyfunction]
    fn monotonic_ns() -> u64 {
        twinload_engine_core::net::monotonic_ns()
    }
}
