//! An instance on a free port over a ledger of the test's making, and requests byte by byte.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use wallet_rust::server::Server;
use wallet_rust::service::Service;

/// No answer may take longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// One entry of one user.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub user: u32,
    pub seq: u32,
    pub time_ms: i64,
    pub kind: u8,
    pub amount: u32,
    pub party: u32,
    pub reference: u32,
}

/// Writes `userpool.csv` and `ledger/*.npy`.
pub fn write_data(folder: &Path, ids: &[String], entries: &[Entry]) {
    let mut entries = entries.to_vec();
    entries.sort_by_key(|entry| (entry.user, entry.seq));
    let offsets: Vec<i64> =
        (0..=ids.len()).map(|user| entries.partition_point(|entry| (entry.user as usize) < user) as i64).collect();
    let ledger = folder.join("ledger");
    std::fs::create_dir_all(&ledger).expect("a folder");
    let csv: String =
        std::iter::once("user_id,tier\n".to_owned()).chain(ids.iter().map(|id| format!("{id},fan\n"))).collect();
    std::fs::write(folder.join("userpool.csv"), csv).expect("written");
    let column = |name: &str, descr: &str, rows: Vec<Vec<u8>>| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}", rows.len());
        let header = format!("{header:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(rows.concat());
        std::fs::write(ledger.join(name), bytes).expect("written");
    };
    let of = |field: &dyn Fn(&Entry) -> Vec<u8>| entries.iter().map(field).collect::<Vec<_>>();
    column("offsets.npy", "<i8", offsets.iter().map(|row| row.to_le_bytes().to_vec()).collect());
    column("seq.npy", "<u4", of(&|entry| entry.seq.to_le_bytes().to_vec()));
    column("time_ms.npy", "<i8", of(&|entry| entry.time_ms.to_le_bytes().to_vec()));
    column("kind.npy", "|u1", of(&|entry| vec![entry.kind]));
    column("amount.npy", "<u4", of(&|entry| entry.amount.to_le_bytes().to_vec()));
    column("party.npy", "<u4", of(&|entry| entry.party.to_le_bytes().to_vec()));
    column("ref.npy", "<u4", of(&|entry| entry.reference.to_le_bytes().to_vec()));
}

/// A running instance; it is stopped when dropped.
pub struct Instance {
    pub address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<Result<(), String>>>,
}

impl Instance {
    /// Starts an instance and waits until it is ready.
    pub fn start(data: &Path) -> Self {
        let (tell, told) = mpsc::channel();
        let data = data.to_path_buf();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let service = Arc::new(Service::new());
                let address = "127.0.0.1:0".parse().expect("an address");
                let server = Server::bind(address, 2, service).map_err(|fault| fault.to_string())?;
                tell.send((server.address(), server.handle())).expect("the test listens");
                server.run(data, None, |_| ()).await.map_err(|fault| fault.to_string())
            })
        });
        let (address, handle) = told.recv_timeout(PATIENCE).expect("the port opens");
        let instance = Self { address, handle, thread: Some(thread) };
        let start = Instant::now();
        while instance.get("/readyz").status != 200 {
            assert!(start.elapsed() < PATIENCE, "the instance did not become ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        instance
    }

    /// Asks as SIGTERM does; what came in is still answered.
    pub fn ask_to_stop(&self) {
        drop(self.handle.stop(true));
    }

    /// Waits for the end after [`Self::ask_to_stop`].
    pub fn join(&mut self) -> Result<(), String> {
        self.thread.take().expect("joined once").join().expect("no panic")
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    pub fn ask(&self, method: &str, target: &str, headers: &[(String, String)]) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: wallet.test\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        read_answer(&mut stream, method == "HEAD").expect("an answer")
    }

    /// Sends bytes as they are; everything that comes back until the end of the connection or of patience.
    ///
    /// A server that refuses broken bytes may have ended the connection before they are all out or the half is closed:
    /// what it said before that is still read.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An answer as it came over the wire.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Reads one answer by its declared length; `None` when the connection ends before it starts.
pub fn read_answer(stream: &mut TcpStream, head_only: bool) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ if bytes.is_empty() => return None,
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    let head = String::from_utf8(bytes).expect("an ASCII head");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: String::new() };
    let length: usize = answer.header("content-length").expect("every answer has a length").parse().expect("a number");
    if !head_only {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("the whole body");
        answer.body = String::from_utf8(body).expect("text");
    }
    Some(answer)
}
