//! `Pool` and `Schedule`: a sweep that the engine sends by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use twinload_engine_core::control::Told;
use twinload_engine_core::engine::{Engine, EngineError};
use twinload_engine_core::plan::PlanError;
use twinload_engine_core::template::{Column, Columns};

use crate::wire::{WirePlan, WireTold};

/// The pool's users as a schedule draws them.
#[pyclass(frozen, module = "twinload_engine")]
pub(crate) struct Pool {
    columns: Columns,
    weights: Vec<u64>,
}

#[pymethods]
impl Pool {
    #[new]
    fn new(columns: HashMap<String, Vec<String>>, weights: Vec<u64>) -> PyResult<Self> {
        let mut filled = Columns::default();
        for (name, texts) in columns {
            if texts.len() != weights.len() {
                let (values, users) = (texts.len(), weights.len());
                return Err(PyValueError::new_err(format!(
                    "column {name} has {values} values for {users} users: give one a user"
                )));
            }
            filled.insert(name, texts.into_iter().collect::<Column>());
        }
        Ok(Self { columns: filled, weights })
    }

    fn reweighted(&self, weights: Vec<u64>) -> PyResult<Self> {
        if weights.len() != self.weights.len() {
            let (given, users) = (weights.len(), self.weights.len());
            return Err(PyValueError::new_err(format!("{given} weights for {users} users: give one a user")));
        }
        Ok(Self { columns: self.columns.clone(), weights })
    }

    fn __len__(&self) -> usize {
        self.weights.len()
    }
}

enum Run {
    Going(Engine),
    Ended,
}

/// A sweep under way.
#[pyclass(frozen, module = "twinload_engine")]
pub(crate) struct Schedule {
    run: Mutex<Run>,
}

#[pymethods]
impl Schedule {
    #[new]
    #[pyo3(signature = (plan, pool, start_ns, from_ns = None))]
    fn new(py: Python<'_>, plan: &[u8], pool: &Pool, start_ns: u64, from_ns: Option<u64>) -> PyResult<Self> {
        let wire: WirePlan =
            serde_json::from_slice(plan).map_err(|fault| PyValueError::new_err(format!("the plan's JSON: {fault}")))?;
        let plan = wire.plan(pool.columns.clone(), pool.weights.clone()).map_err(PyValueError::new_err)?;
        let engine = py.detach(|| Engine::take_over(&plan, start_ns, from_ns.unwrap_or(start_ns))).map_err(
            |fault| match fault {
                PlanError::Machine(fault) => PyOSError::new_err(fault),
                fault => PyValueError::new_err(fault.to_string()),
            },
        )?;
        Ok(Self { run: Mutex::new(Run::Going(engine)) })
    }

    fn set_rate(&self, rate_rps: f64) {
        self.with(|engine| engine.set_rate(rate_rps));
    }

    fn set_users(&self, users: u32) {
        self.with(|engine| engine.set_users(users));
    }

    fn stop(&self) {
        self.with(Engine::stop);
    }

    fn abort(&self) {
        self.with(Engine::abort);
    }

    #[getter]
    fn is_running(&self) -> bool {
        self.with(Engine::is_running).unwrap_or(false)
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let told = py
            .detach(|| {
                self.take().map(|told| serde_json::to_vec(&told.into_iter().map(WireTold::from).collect::<Vec<_>>()))
            })
            .map_err(|fault| PyRuntimeError::new_err(fault.to_string()))?
            .map_err(|fault| PyRuntimeError::new_err(fault.to_string()))?;
        Ok(PyBytes::new(py, &told))
    }
}

impl Schedule {
    fn with<T>(&self, act: impl FnOnce(&Engine) -> T) -> Option<T> {
        match &*self.run.lock().unwrap_or_else(PoisonError::into_inner) {
            Run::Going(engine) => Some(act(engine)),
            Run::Ended => None,
        }
    }

    /// Takes what was told; an engine that has ended is joined, so that a failure of it is not lost.
    fn take(&self) -> Result<Vec<Told>, EngineError> {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *run, Run::Ended) {
            Run::Going(engine) if engine.is_running() => {
                let told = engine.drain();
                *run = Run::Going(engine);
                Ok(told)
            }
            Run::Going(engine) => engine.join(),
            Run::Ended => Ok(Vec::new()),
        }
    }
}
