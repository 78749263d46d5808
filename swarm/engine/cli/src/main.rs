//! `twinload-engine`: one run of the sender against loopback, and its figures.

use std::io::Write as _;
use std::process::ExitCode;

mod figures;
mod options;
mod tls;

use anyhow::Context as _;
use twinload_engine_core::engine::Engine;
use twinload_engine_core::net::monotonic_ns;

use figures::Figures;
use options::{Command, HELP, Options};

/// A flag cannot be used, or the engine cannot start.
const EXIT_UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "twinload-engine: {fault:#}");
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Command::parse(std::env::args_os().skip(1))? {
        Command::Help => Ok(std::io::stdout().write_all(HELP.as_bytes())?),
        Command::Send(options) => send(&options),
    }
}

fn send(options: &Options) -> anyhow::Result<()> {
    let plan = options.plan()?;
    // Shortly from now, so that the threads are there when the first request is due.
    let start_ns = monotonic_ns() + 10_000_000;
    let engine = Engine::start(&plan, start_ns).context("the plan cannot be run")?;
    let mut figures = Figures::new(&plan);
    while engine.is_running() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        figures.add(engine.drain());
    }
    figures.add(engine.join()?);
    let text = if options.json { figures.json() } else { figures.text() };
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
