//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Answers every HTTP/1.1 request on 127.0.0.1 with the same bytes; GET /count answers how many it answered.

  --port N      port; 0 takes a free one (default), the first line says which: listening 127.0.0.1:PORT
  --bytes N     size of an answer, its head included (default 396, at least 100)
  --work-us N   busy time per request, so that the target is the limit (default 0)
  --tls C,K     speak TLS with the certificate of file C and the key of file K (PEM)

  bench-target --port 8080 --work-us 20
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Serve(Options),
}

/// How to serve.
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) answer_bytes: usize,
    pub(crate) work_ns: u64,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Self> {
        use lexopt::{Arg, ValueExt as _};
        let mut options = Options { port: 0, answer_bytes: 396, work_ns: 0, tls: None };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Help),
                Arg::Long("port") => options.port = parser.value()?.parse().context("--port")?,
                Arg::Long("bytes") => options.answer_bytes = parser.value()?.parse().context("--bytes")?,
                Arg::Long("work-us") => {
                    options.work_ns = 1_000 * parser.value()?.parse::<u64>().context("--work-us")?.min(60_000_000);
                }
                Arg::Long("tls") => {
                    let files = parser.value()?.string()?;
                    let (certificate, key) = files.split_once(',').context("--tls: give CERTIFICATE,KEY")?;
                    options.tls = Some((certificate.into(), key.into()));
                }
                _ => return Err(argument.unexpected().into()),
            }
        }
        let bytes = options.answer_bytes;
        ensure!((100..=16 << 20).contains(&bytes), "--bytes {bytes}: give a number from 100 to {}", 16 << 20);
        Ok(Self::Serve(options))
    }
}
