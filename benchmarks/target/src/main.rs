//! `bench-target`: answers every request with the same bytes, as cheaply as one thread can.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;

mod options;
mod pace;
mod responder;
mod tls;

use options::{Command, HELP};
use responder::Responder;

/// A flag cannot be used, or the port cannot be opened.
const EXIT_UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "bench-target: {fault:#}");
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Command::parse(std::env::args_os().skip(1))? {
        Command::Help => Ok(std::io::stdout().write_all(HELP.as_bytes())?),
        Command::Serve(options) => {
            let tls = options.tls.map(|(certificate, key)| tls::config(&certificate, &key)).transpose()?;
            let listener = TcpListener::bind(("127.0.0.1", options.port))?;
            let mut stdout = std::io::stdout();
            writeln!(stdout, "listening {}", listener.local_addr()?)?;
            stdout.flush()?;
            Ok(Responder::new(listener, options.answer_bytes, options.work, tls)?.serve()?)
        }
    }
}
