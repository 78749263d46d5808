//! The client of native users: Python greenlets decide what to ask, one native thread does the rest.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use twinload_engine_core::client::{self, Ask, ChannelSpec, ClientLimits, SubmitError};
use twinload_engine_core::tls::{TlsConfig, TlsError, TlsOptions, TlsTarget};

use crate::reply::Reply;

/// What each may have costs memory before it is opened.
const MOST_CONNECTIONS: u32 = 1_000_000;

/// One native thread that exchanges requests. Made late: never before a fork.
#[pyclass(frozen, module = "twinload_engine")]
pub(crate) struct Client(client::Client<Py<PyAny>>);

/// One user's connections to one origin.
#[pyclass(frozen, module = "twinload_engine")]
pub(crate) struct Channel(client::Channel<Py<PyAny>>);

/// How a channel is made secure.
#[pyclass(frozen, module = "twinload_engine")]
pub(crate) struct Tls(TlsTarget);

/// What the thread knows of itself.
#[pyclass(frozen, get_all, name = "Vitals", module = "twinload_engine")]
pub(crate) struct ClientVitals {
    cpu_ns: u64,
    opened: u64,
    closed: u64,
    refused: u64,
    busy: u64,
    waiting: u64,
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (server_name, *, ca_pem=None, cert_pem=None, key_pem=None, verify=true))]
    fn new(
        server_name: String,
        ca_pem: Option<Vec<u8>>,
        cert_pem: Option<Vec<u8>>,
        key_pem: Option<Vec<u8>>,
        verify: bool,
    ) -> PyResult<Self> {
        let options = TlsOptions { ca_pem, client_cert_pem: cert_pem, client_key_pem: key_pem, verify };
        let refused = |error: TlsError| PyValueError::new_err(error.to_string());
        let target = TlsTarget { config: TlsConfig::new(&options).map_err(refused)?, server_name };
        target.name().map_err(refused)?;
        Ok(Self(target))
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, max_connections=20_000))]
    fn new(max_connections: u32) -> PyResult<Self> {
        if !(1..=MOST_CONNECTIONS).contains(&max_connections) {
            let range = format!("max_connections = {max_connections}: give a number from 1 to {MOST_CONNECTIONS}");
            return Err(PyValueError::new_err(range));
        }
        let limits = ClientLimits { max_connections, ..ClientLimits::default() };
        Ok(Self(client::Client::start(limits)?))
    }

    fn fileno(&self) -> i32 {
        self.0.descriptor()
    }

    fn completed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let mut result = Ok(());
        self.0.completed(|token, reply| {
            if result.is_ok() {
                result = pair(py, token, reply).and_then(|pair| list.append(pair));
            }
        });
        result.map(|()| list)
    }

    #[pyo3(signature = (address, host, *, tls=None, connections=10, connect_timeout_s=60.0, timeout_s=60.0))]
    fn channel(
        &self,
        address: (String, u16),
        host: String,
        tls: Option<&Bound<'_, Tls>>,
        connections: u32,
        connect_timeout_s: f64,
        timeout_s: f64,
    ) -> PyResult<Channel> {
        if connections == 0 {
            return Err(PyValueError::new_err("connections = 0: give a number from 1 on"));
        }
        let connect_timeout_ns = nanoseconds("connect_timeout_s", connect_timeout_s)?;
        let timeout_ns = nanoseconds("timeout_s", timeout_s)?;
        let (address, tls) = (socket_address(&address)?, tls.map(|tls| tls.get().0.clone()));
        let spec = ChannelSpec { address, host, tls, connections, connect_timeout_ns, timeout_ns };
        self.0.channel(spec).map(Channel).map_err(refusal)
    }

    fn vitals(&self) -> ClientVitals {
        let told = self.0.vitals();
        ClientVitals {
            cpu_ns: told.cpu_ns,
            opened: told.opened,
            closed: told.closed,
            refused: told.refused,
            busy: told.busy,
            waiting: told.waiting,
        }
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

#[pymethods]
impl Channel {
    #[pyo3(signature = (method, target, headers, body, token, timeout_s=None, /))]
    fn submit(
        &self,
        method: &str,
        target: &str,
        headers: &[u8],
        body: Option<&[u8]>,
        token: Py<PyAny>,
        timeout_s: Option<f64>,
    ) -> PyResult<()> {
        let timeout_ns = timeout_s.map(|span_s| nanoseconds("timeout_s", span_s)).transpose()?;
        self.0.submit(&Ask { method, target, headers, body }, token, timeout_ns).map_err(refusal)
    }

    fn close(&self) {
        self.0.close();
    }
}

fn pair<'py>(py: Python<'py>, token: Py<PyAny>, reply: client::Reply) -> PyResult<Bound<'py, PyTuple>> {
    let reply = Bound::new(py, Reply::from(reply))?;
    PyTuple::new(py, [token.into_bound(py), reply.into_any()])
}

fn socket_address((host, port): &(String, u16)) -> PyResult<SocketAddr> {
    let address: IpAddr = host.parse().map_err(|_| {
        PyValueError::new_err(format!("address {host:?} is no numeric address: resolve the name first"))
    })?;
    Ok(SocketAddr::new(address, *port))
}

fn nanoseconds(name: &str, span_s: f64) -> PyResult<u64> {
    let span = Duration::try_from_secs_f64(span_s).ok().filter(|span| !span.is_zero());
    let span_ns = span.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    span_ns.ok_or_else(|| PyValueError::new_err(format!("{name} = {span_s}: give a number of seconds above 0")))
}

fn refusal(error: SubmitError) -> PyErr {
    match error {
        SubmitError::Ask(_) | SubmitError::Host(_) => PyValueError::new_err(error.to_string()),
        SubmitError::Closed => PyRuntimeError::new_err(error.to_string()),
    }
}
