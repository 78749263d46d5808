//! `gateway`: reads the command line and the configuration, runs until a signal.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use lexopt::{Arg, Parser};
use twinload_gateway::config::Config;
use twinload_gateway::run::run;
use twinload_gateway::token::Token;

/// A flag, the configuration or the machine does not allow to start.
const EXIT_UNUSABLE: u8 = 2;

const HELP: &str = "\
A reverse proxy before a cluster: forwards every request, mirrors what is safe to the rewrite, compares every answer.

  --config FILE   the configuration, JSON: docs/gateway.md tells its keys
  --check         only read the configuration; 0 when it is right

  gateway --config gateway.json

The first line on stdout is `ready ADDRESS`. SIGTERM ends it when no request is under way.
";

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "gateway: {fault:#}");
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn start() -> anyhow::Result<()> {
    let (mut path, mut check) = (None, false);
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("config") => path = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("check") => check = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(std::io::stdout().write_all(HELP.as_bytes())?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let path = path.context("--config FILE is missing; see --help")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("--config {}", path.display()))?;
    let config = Config::parse(&text)?;
    let token = Token::read(&config.token_file)?;
    if check {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, token, |address| {
        let mut stdout = std::io::stdout();
        // Whoever started this may have closed the pipe; callers are served all the same.
        let _ = writeln!(stdout, "ready {address}").and_then(|()| stdout.flush());
    }))
}
