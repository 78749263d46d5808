//! A target in a process of its own, and sums over what an engine told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use twinload_engine_core::control::Told;
use twinload_engine_core::hdr::{Sparse, merge};
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::Stage;
use twinload_engine_core::template::{Column, Columns, RequestSpec};

/// A running `bench-target`; it ends with this.
pub(crate) struct Target {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Target {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let command = env!("CARGO_BIN_EXE_bench-target");
        let mut process = Command::new(command).args(flags).stdout(Stdio::piped()).spawn().expect("the target starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("its first line");
        let address = line.trim().rsplit(' ').next().and_then(|text| text.parse().ok()).expect("its address");
        Self { process, address }
    }

    /// Returns how many requests it answered.
    pub(crate) fn count(&self) -> u64 {
        let mut stream = TcpStream::connect(self.address).expect("it accepts");
        stream.write_all(b"GET /count HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut bytes = [0; 512];
        let count = stream.read(&mut bytes).expect("it answers");
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        text.rsplit("\r\n").next().and_then(|body| body.parse().ok()).expect("a number")
    }

    /// Returns a plan of one endpoint whose user varies.
    pub(crate) fn plan(&self, stages: Vec<Stage>) -> Plan {
        let mut columns = Columns::default();
        columns.insert("user_id", (0..1_000).map(|user| format!("user-{user}")).collect::<Column>());
        Plan::simple(vec![self.address], RequestSpec::get("/u/{user_id}"), columns, stages)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sums over all lines.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) offered: u64,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) latency: Sparse,
    pub(crate) service: Sparse,
    pub(crate) bytes: u64,
}

pub(crate) fn sums(told: &[Told]) -> Sums {
    let mut sums = Sums::default();
    for line in told.iter().flat_map(|one| &one.lines) {
        sums.offered += line.offered;
        sums.sent += line.sent;
        sums.dropped += line.dropped;
        for status in &line.status {
            sums.done += status.done;
            sums.bytes += status.bytes;
            sums.failed += status.failed.iter().map(|(_, count)| count).sum::<u64>();
            merge(&mut sums.latency, &status.latency);
            merge(&mut sums.service, &status.service);
        }
    }
    sums
}
