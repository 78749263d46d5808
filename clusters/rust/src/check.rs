//! The health check of a container, whose image has no shell: asks an instance's ready path once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An instance that takes longer to say that it is ready is not.
const LIMIT: Duration = Duration::from_secs(2);
/// `HTTP/1.1 200`: as much of an answer as is looked at.
const STATUS_LINE: usize = 12;

/// Why an instance is not ready.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The URL is none that can be asked.
    #[error("--check {0:?} is no URL such as http://127.0.0.1:8081/readyz")]
    Url(String),
    /// Nobody answers, or not in time.
    #[error("{url} does not answer: {source}")]
    Silent {
        /// What was asked.
        url: String,
        /// What the socket said.
        source: std::io::Error,
    },
    /// It answers something else than 200.
    #[error("{url} answered {line:?}, not 200")]
    NotReady {
        /// What was asked.
        url: String,
        /// The beginning of its answer.
        line: String,
    },
}

/// Asks a URL such as `http://127.0.0.1:8081/readyz` once.
///
/// # Errors
/// When the URL cannot be asked, nobody answers within two seconds, or the answer is not 200.
pub fn check(url: &str) -> Result<(), CheckError> {
    let (address, path) = parts(url).ok_or_else(|| CheckError::Url(url.to_owned()))?;
    let line = ask(address, path).map_err(|source| CheckError::Silent { url: url.to_owned(), source })?;
    match line.strip_suffix(" 200") {
        Some("HTTP/1.0" | "HTTP/1.1") => Ok(()),
        _ => Err(CheckError::NotReady { url: url.to_owned(), line }),
    }
}

fn parts(url: &str) -> Option<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let sound = !path.contains(|c: char| c.is_ascii_control() || c == ' ');
    Some((authority.parse().ok()?, if path.is_empty() { "/" } else { path })).filter(|_| sound)
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    // In one piece: whoever answers the first part and closes would reset the connection under the rest.
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut line = [0; STATUS_LINE];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one request with these bytes and returns the URL to ask.
    fn answering(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut asked = [0; 512];
            let _ = stream.read(&mut asked).expect("a request");
            stream.write_all(bytes).expect("to be read");
        });
        format!("http://{address}/readyz")
    }

    #[test]
    fn an_instance_that_answers_200_is_ready() {
        assert!(check(&answering(b"HTTP/1.1 200 OK\r\n\r\n")).is_ok());
    }

    #[test]
    fn any_other_answer_is_told() {
        for (answer, words) in [
            (&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], "503"),
            (b"SSH-2.0-other 200\r\n", "SSH"),
            (b"HTTP", "does not answer"),
        ] {
            let told = check(&answering(answer)).map_err(|fault| fault.to_string());
            assert!(told.expect_err("a fault").contains(words), "{words}");
        }
    }

    #[test]
    fn nobody_at_the_port_is_a_fault() {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let told = check(&format!("http://{free}/readyz")).expect_err("a fault").to_string();
        assert!(told.contains("does not answer"), "{told}");
    }

    #[test]
    fn a_url_without_a_numeric_address_is_a_fault() {
        for url in
            ["https://127.0.0.1:1/", "127.0.0.1:1", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]:1/a b"]
        {
            assert!(matches!(check(url), Err(CheckError::Url(_))), "{url}");
        }
    }
}
