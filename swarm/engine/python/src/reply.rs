//! How a request ended, as Python sees it: everything but the numbers is made when it is asked for.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use twinload_engine_core::client;

use crate::decode::decoded;

/// How a request ended.
#[pyclass(frozen, module = "twinload_engine")]
pub(crate) struct Reply {
    reply: client::Reply,
    body: PyOnceLock<Py<PyBytes>>,
}

impl From<client::Reply> for Reply {
    fn from(reply: client::Reply) -> Self {
        Self { reply, body: PyOnceLock::new() }
    }
}

#[pymethods]
impl Reply {
    #[getter]
    fn status(&self) -> u16 {
        self.reply.status
    }

    /// All that a plain answer's event needs, in one call.
    fn plain(&self) -> Option<(f64, u64)> {
        let reply = &self.reply;
        reply.is_plain().then(|| (span_ms(reply.submitted_ns, reply.done_ns), reply.raw_bytes))
    }

    #[getter]
    fn reason(&self) -> String {
        latin_1(self.reply.reason())
    }

    #[getter]
    fn http_version(&self) -> &'static str {
        if self.reply.version == 0 { "1.0" } else { "1.1" }
    }

    #[getter]
    fn error(&self) -> Option<&'static str> {
        self.reply.fault.as_ref().map(|(fault, _)| fault.name())
    }

    #[getter]
    fn detail(&self) -> Option<&str> {
        self.reply.fault.as_ref().map(|(_, detail)| &**detail)
    }

    #[getter]
    fn headers(&self) -> Vec<(String, String)> {
        self.reply.headers().map(|(name, value)| (latin_1(name), latin_1(value))).collect()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.reply.header(name.as_bytes()).map(latin_1)
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(body) = self.body.get(py) {
            return Ok(body.bind(py).clone());
        }
        let made = self.decode(py)?;
        Ok(self.body.get_or_init(py, || made.unbind()).bind(py).clone())
    }

    #[getter]
    fn raw_bytes(&self) -> u64 {
        self.reply.raw_bytes
    }

    #[getter]
    fn submitted_ns(&self) -> u64 {
        self.reply.submitted_ns
    }

    #[getter]
    fn sent_ns(&self) -> u64 {
        self.reply.sent_ns
    }

    #[getter]
    fn first_byte_ns(&self) -> u64 {
        self.reply.first_byte_ns
    }

    #[getter]
    fn done_ns(&self) -> u64 {
        self.reply.done_ns
    }
}

impl Reply {
    fn decode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let raw = self.reply.raw_body();
        let codings = self.reply.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-encoding"));
        let codings: Vec<&[u8]> = codings.flat_map(|(_, value)| value.split(|&byte| byte == b',')).collect();
        if codings.is_empty() || raw.is_empty() {
            return Ok(PyBytes::new(py, raw));
        }
        match py.detach(|| decoded(raw, &codings)) {
            Ok(Some(body)) => Ok(PyBytes::new(py, &body)),
            Ok(None) => Ok(PyBytes::new(py, raw)),
            Err(error) => Err(PyValueError::new_err(format!("the body cannot be decoded: {error}"))),
        }
    }
}

fn span_ms(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e6
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
