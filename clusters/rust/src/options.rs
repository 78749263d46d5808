//! The command line, checked before anything is opened.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::store::StoreAddress;

/// More workers than this are refused, as the server would.
const WORKERS_MAX: usize = 512;

/// What `--help` prints.
pub const HELP: &str = "\
Serve balance, statistics and fib from a ledger loaded at start.

Usage: wallet-rust --data DIR [--listen ADDR] [--name NAME] [--workers N] [--serve hot] [--store URL]
       wallet-rust --check URL

  --data DIR      folder with userpool.csv and ledger/
  --listen ADDR   address and port, port 0 for a free one [127.0.0.1:8081]
  --name NAME     this instance's name in logs [rust]
  --workers N     threads that answer requests, 1 to 512 [WORKERS, else 1]
  --serve hot     which endpoints; this twin has the hot ones alone
  --store URL     where writes are shared: none or redis://HOST:PORT[/DB] [none]
  --check URL     serve nothing: ask an instance once whether it is ready, and say so by the exit code

Examples:
  wallet-rust --data .twinload/pool
  WORKERS=2 wallet-rust --data .twinload/pool --listen 127.0.0.1:0 --name rust-1
";

/// How this instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Holds `userpool.csv` and `ledger/`.
    pub data: PathBuf,
    /// The instance's name.
    pub name: String,
    /// Threads that answer requests, 1 to 512.
    pub workers: usize,
    /// Where writes are shared; without it the ledger stays as it was loaded.
    pub store: Option<StoreAddress>,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve(Options),
    /// Ask the instance at this URL whether it is ready.
    Check(String),
    /// Print [`HELP`].
    Help,
}

/// A flag that cannot be used; the message names it, its value and what to give.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(String);

impl Command {
    /// Reads the arguments after the program's name; `workers_env` is the value of `WORKERS`.
    ///
    /// # Errors
    /// When a flag is unknown, lacks its value or has one that cannot be used.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        workers_env: Option<OsString>,
    ) -> Result<Self, OptionsError> {
        let mut listen = "127.0.0.1:8081".to_owned();
        let (mut data, mut name, mut workers, mut store) = (None, "rust".to_owned(), None, None);
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(flag_fault)? {
            match argument {
                Long("listen") => listen = text(&mut parser)?,
                Long("data") => data = Some(PathBuf::from(parser.value().map_err(flag_fault)?)),
                Long("name") => name = text(&mut parser)?,
                Long("workers") => workers = Some(text(&mut parser)?),
                Long("serve") => serve_hot(&text(&mut parser)?)?,
                Long("store") => store = parse_store(text(&mut parser)?)?,
                Long("check") => return Ok(Self::Check(text(&mut parser)?)),
                Short('h') | Long("help") => return Ok(Self::Help),
                other => return Err(flag_fault(other.unexpected())),
            }
        }
        let workers = workers.or(workers_env.map(|value| value.to_string_lossy().into_owned()));
        Ok(Self::Serve(Options {
            listen: listen.parse().map_err(|_| {
                OptionsError(format!("--listen {listen:?} is no address with a port; give one such as 127.0.0.1:8081"))
            })?,
            data: data.ok_or_else(|| {
                OptionsError("--data is missing; name the folder with userpool.csv and ledger/".to_owned())
            })?,
            name,
            workers: workers.map_or(Ok(1), |value| parse_workers(&value))?,
            store,
        }))
    }
}

fn flag_fault(fault: lexopt::Error) -> OptionsError {
    OptionsError(format!("{fault}; --help lists the flags"))
}

fn text(parser: &mut lexopt::Parser) -> Result<String, OptionsError> {
    parser.value().and_then(|value| value.string()).map_err(flag_fault)
}

fn serve_hot(value: &str) -> Result<(), OptionsError> {
    if value == "hot" {
        return Ok(());
    }
    Err(OptionsError(format!("--serve {value:?} is not to be had here; give hot, or start the Go twin for the rest")))
}

fn parse_store(value: String) -> Result<Option<StoreAddress>, OptionsError> {
    if value == "none" {
        return Ok(None);
    }
    // The value may hold a password.
    let address = StoreAddress::try_from(value);
    address.map(Some).map_err(|fault| OptionsError(format!("--store: {fault}; give such a one, or none")))
}

fn parse_workers(value: &str) -> Result<usize, OptionsError> {
    value.parse().ok().filter(|workers| (1..=WORKERS_MAX).contains(workers)).ok_or_else(|| {
        OptionsError(format!("--workers (or WORKERS) {value:?} is no number of threads; give 1 to {WORKERS_MAX}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, workers_env: Option<&str>) -> Result<Command, String> {
        let arguments = line.split_whitespace().map(OsString::from);
        Command::parse(arguments, workers_env.map(OsString::from)).map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_flag_is_read() {
        let line = "--listen 127.0.0.1:0 --data d --serve hot --name rust-2 --workers=3 --store redis://127.0.0.1:6379";
        let wanted = Options {
            listen: "127.0.0.1:0".parse().expect("an address"),
            data: "d".into(),
            name: "rust-2".to_owned(),
            workers: 3,
            store: Some(StoreAddress::try_from("redis://127.0.0.1:6379".to_owned()).expect("an address")),
        };
        assert_eq!(parse(line, Some("7")), Ok(Command::Serve(wanted)));
    }

    #[test]
    fn no_store_is_the_same_as_the_store_none() {
        assert_eq!(parse("--data d", None), parse("--data d --store none", None));
    }

    #[test]
    fn workers_come_from_the_environment_when_no_flag_says_otherwise() {
        let workers = |env| match parse("--data d", env).expect("options") {
            Command::Serve(options) => options.workers,
            Command::Check(_) | Command::Help => 0,
        };
        assert_eq!((workers(None), workers(Some("2"))), (1, 2));
        assert!(parse("--data d", Some("zero")).expect_err("a fault").contains("WORKERS"));
    }

    #[test]
    fn a_fault_says_what_and_which_value() {
        for (line, words) in [
            ("", "--data is missing"),
            ("--data", "--data"),
            ("--data d --listen 80", "--listen \"80\""),
            ("--data d --serve all", "--serve \"all\""),
            ("--data d --workers 0", "\"0\""),
            ("--data d --workers 513", "\"513\""),
            ("--data d --store 127.0.0.1:6379", "--store"),
            ("--data d --port 1", "--port"),
            ("extra", "extra"),
        ] {
            let fault = parse(line, None).expect_err(line);
            assert!(fault.contains(words) && !fault.contains('\n'), "{line}: {fault}");
        }
        assert_eq!(parse("--help", None), Ok(Command::Help));
        assert_eq!(parse("--check http://127.0.0.1:1/", None), Ok(Command::Check("http://127.0.0.1:1/".to_owned())));
    }
}
