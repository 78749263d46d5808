//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::pace::Pace;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Answers every HTTP/1.1 request on 127.0.0.1 with the same bytes; GET /count answers how many it answered.

  --port N      port; 0 takes a free one (default), the first line says which: listening 127.0.0.1:PORT
  --bytes N     size of an answer, its head included (default 396, at least 128)
  --work-us N   busy time per request, so that the target is the limit (default 0)
  --pace K=V,…  answer when a server of known capacity would, which time limits and not CPU:
                  rate=N servers=N service=fixed|exponential seed=N: N a second by so many servers together
                  stall-ms=N stall-every-s=N: stands still at random; falls-to=R: gives R of it while requests wait
                  lost-an-hour=R: slows down; limit=N above=fail|wrong: 503, or another type, for what is above N
                  fails=R: 503 by chance; tail=R: exponential work beyond its p90 takes R times, 1.6 is p99 + 30 %
  --tls C,K     speak TLS with the certificate of file C and the key of file K (PEM)

  bench-target --port 8080 --work-us 20
  bench-target --pace rate=1000,service=exponential,seed=7
  bench-target --pace rate=40000,servers=400,service=exponential,tail=1.6,fails=0.01
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Serve(Options),
}

/// What a request costs: busy time, or a moment to wait for.
pub(crate) enum Work {
    Busy { ns: u64 },
    Paced(Pace),
}

/// How to serve.
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) answer_bytes: usize,
    pub(crate) work: Work,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Self> {
        use lexopt::{Arg, ValueExt as _};
        let mut options = Options { port: 0, answer_bytes: 396, work: Work::Busy { ns: 0 }, tls: None };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Help),
                Arg::Long("port") => options.port = parser.value()?.parse().context("--port")?,
                Arg::Long("bytes") => options.answer_bytes = parser.value()?.parse().context("--bytes")?,
                Arg::Long("work-us") => {
                    let us = parser.value()?.parse::<u64>().context("--work-us")?.min(60_000_000);
                    options.work = Work::Busy { ns: 1_000 * us };
                }
                Arg::Long("pace") => {
                    options.work = Work::Paced(Pace::parse(&parser.value()?.string()?).context("--pace")?);
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
        ensure!((128..=16 << 20).contains(&bytes), "--bytes {bytes}: give a number from 128 to {}", 16 << 20);
        let paced = matches!(options.work, Work::Paced(_));
        ensure!(!paced || options.tls.is_none(), "--pace answers without --tls: leave one of them out");
        Ok(Self::Serve(options))
    }
}
