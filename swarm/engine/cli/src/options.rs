//! The command line, and the plan it means.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use twinload_engine_core::arrival::Spacing;
use twinload_engine_core::plan::{self, IoKind, Plan};
use twinload_engine_core::stage::{Load, Stage};
use twinload_engine_core::template::{Column, Columns, RequestSpec};
use twinload_engine_core::tls::TlsTarget;

use crate::tls::TlsFiles;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Sends requests to loopback and prints rates, latency from the intended start, send lag and the sender's own CPU.

  --connect A[,A…]     targets, 127.0.0.1:PORT or https://127.0.0.1:PORT, taken in turn
  --tls-ca FILE        https: certificates to trust instead of the system's (PEM)
  --tls-insecure       https: take any certificate
  --tls-cert FILE      https: our own certificate, with --tls-key FILE
  --path P             path and query; {column} is a column of --users, percent-encoded
  --users FILE         CSV with a head line; a user is drawn at random for every request
  --rate R             open loop: requests a second;  or
  --closed N           closed loop: N users, each sending again after its answer
  --think-ms T         closed loop: pause between an answer and the next request (default 0)
  --duration S         measured part (default 10)
  --warmup S           before it, not in the figures (default 1)
  --connections C      most connections per target (default 64)
  --arrivals A         poisson (default) or constant
  --timeout S          time-out of an answer (default 10)
  --coalesce-us N      let answers lie up to N µs unread, timed by the kernel, so that one wake-up serves many (default 0)
  --io KIND            auto (default), epoll or uring
  --threads N          sending threads (default 1)
  --seed N             all that is random follows from it (default 1)
  --json               one JSON object

  twinload-engine --connect 127.0.0.1:8080 --path '/u/{user_id}' --users users.csv --rate 20000 --duration 5
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Send(Box<Options>),
}

/// What to send.
pub(crate) struct Options {
    targets: Vec<Target>,
    tls: TlsFiles,
    path: String,
    users: Option<PathBuf>,
    load: Load,
    think_s: f64,
    duration_s: f64,
    warmup_s: f64,
    connections: u32,
    spacing: Spacing,
    timeout_s: f64,
    threads: u32,
    coalesce_us: u32,
    io: IoKind,
    seed: u64,
    pub(crate) json: bool,
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Self> {
        use lexopt::{Arg, ValueExt as _};
        let mut options = Options::default();
        let mut load = None;
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            let Arg::Long(name) = argument else {
                if argument == Arg::Short('h') {
                    return Ok(Self::Help);
                }
                return Err(argument.unexpected().into());
            };
            let name = name.to_owned();
            match name.as_str() {
                "help" => return Ok(Self::Help),
                "json" => options.json = true,
                "connect" => options.targets = targets(&parser.value()?.string()?)?,
                "tls-ca" => options.tls.ca = Some(parser.value()?.into()),
                "tls-cert" => options.tls.certificate = Some(parser.value()?.into()),
                "tls-key" => options.tls.key = Some(parser.value()?.into()),
                "tls-insecure" => options.tls.insecure = true,
                "path" => options.path = parser.value()?.string()?,
                "users" => options.users = Some(parser.value()?.into()),
                "rate" | "closed" => {
                    let value = parser.value()?;
                    let asked =
                        if name == "rate" { value.parse().map(Load::Rate) } else { value.parse().map(Load::Users) };
                    ensure!(load.replace(asked.context(name)?).is_none(), "give --rate or --closed, once");
                }
                "arrivals" => options.spacing = spacing(&parser.value()?.string()?)?,
                "think-ms" => options.think_s = parser.value()?.parse::<f64>().context(name)? / 1e3,
                "duration" => options.duration_s = parser.value()?.parse().context(name)?,
                "warmup" => options.warmup_s = parser.value()?.parse().context(name)?,
                "timeout" => options.timeout_s = parser.value()?.parse().context(name)?,
                "connections" => options.connections = parser.value()?.parse().context(name)?,
                "coalesce-us" => options.coalesce_us = parser.value()?.parse().context(name)?,
                "io" => options.io = io_kind(&parser.value()?.string()?)?,
                "threads" => options.threads = parser.value()?.parse().context(name)?,
                "seed" => options.seed = parser.value()?.parse().context(name)?,
                _ => bail!("--{name} is no flag: see --help"),
            }
        }
        options.load = load.context("the load is missing: give --rate or --closed")?;
        ensure!(!options.targets.is_empty(), "the target is missing: give --connect 127.0.0.1:PORT");
        let secure = options.targets.iter().any(|target| target.secure);
        ensure!(
            secure || options.tls == TlsFiles::default(),
            "--tls-… without TLS: give --connect https://127.0.0.1:PORT"
        );
        ensure!(options.duration_s.is_finite(), "--duration {}: give a number of seconds", options.duration_s);
        Ok(Self::Send(Box::new(options)))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            tls: TlsFiles::default(),
            path: "/".into(),
            users: None,
            load: Load::Users(1),
            think_s: 0.0,
            duration_s: 10.0,
            warmup_s: 1.0,
            connections: 64,
            spacing: Spacing::Poisson,
            timeout_s: 10.0,
            threads: 1,
            coalesce_us: 0,
            io: IoKind::Auto,
            seed: 1,
            json: false,
        }
    }
}

impl Options {
    /// Returns the plan that the flags mean; reads the users' file.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let columns = match &self.users {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("--users {}", file.display()))?;
                columns(&text).with_context(|| format!("--users {}", file.display()))?
            }
            None => Columns::default(),
        };
        let stages = vec![Stage::new(0, self.load, self.warmup_s, self.duration_s)];
        let addresses = self.targets.iter().map(|target| target.address).collect();
        let simple = Plan::simple(addresses, RequestSpec::get(self.path.clone()), columns, stages);
        Ok(Plan {
            targets: self.secured(simple.targets)?,
            spacing: self.spacing,
            think_s: self.think_s,
            max_connections: self.connections,
            timeout_s: self.timeout_s,
            threads: self.threads,
            coalesce_us: self.coalesce_us,
            io: self.io,
            seed: self.seed,
            ids: self.seed,
            ..simple
        })
    }

    /// Gives TLS to the targets that were named by `https://`; reads its files.
    fn secured(&self, mut targets: Vec<plan::Target>) -> anyhow::Result<Vec<plan::Target>> {
        if self.targets.iter().any(|target| target.secure) {
            let config = self.tls.read()?;
            for (target, _) in targets.iter_mut().zip(&self.targets).filter(|(_, asked)| asked.secure) {
                let server_name = target.address.ip().to_string();
                target.tls = Some(TlsTarget { config: config.clone(), server_name });
            }
        }
        Ok(targets)
    }
}

/// A place that `--connect` names.
struct Target {
    address: SocketAddr,
    secure: bool,
}

fn targets(text: &str) -> anyhow::Result<Vec<Target>> {
    let one = |part: &str| {
        let (secure, place) = match part.strip_prefix("https://") {
            Some(place) => (true, place),
            None => (false, part),
        };
        let address: SocketAddr =
            place.parse().with_context(|| format!("--connect {part}: give an address and a port"))?;
        ensure!(
            address.ip().is_loopback(),
            "--connect {part}: this command sends to loopback alone, such as 127.0.0.1:8080"
        );
        Ok(Target { address, secure })
    };
    text.split(',').map(one).collect()
}

fn spacing(text: &str) -> anyhow::Result<Spacing> {
    match text {
        "poisson" => Ok(Spacing::Poisson),
        "constant" => Ok(Spacing::Constant),
        _ => bail!("--arrivals {text}: give poisson or constant"),
    }
}

fn io_kind(text: &str) -> anyhow::Result<IoKind> {
    match text {
        "auto" => Ok(IoKind::Auto),
        "epoll" => Ok(IoKind::Epoll),
        "uring" => Ok(IoKind::Uring),
        _ => bail!("--io {text}: give auto, epoll or uring"),
    }
}

/// Reads a CSV without quotes: names in the first line, then one user a line.
fn columns(text: &str) -> anyhow::Result<Columns> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names: Vec<&str> =
        lines.next().context("it is empty: give a head line and one user a line")?.split(',').collect();
    let mut values: Vec<Vec<&str>> = vec![Vec::new(); names.len()];
    for (number, line) in lines.enumerate() {
        ensure!(!line.contains('"'), "user {}: quotes are not read: give plain values", number + 1);
        let cells: Vec<&str> = line.split(',').collect();
        ensure!(cells.len() == names.len(), "user {}: {} values for {} columns", number + 1, cells.len(), names.len());
        values.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell.trim()));
    }
    ensure!(values.iter().all(|column| !column.is_empty()), "it has no user: give one a line below the names");
    let mut columns = Columns::default();
    for (name, column) in names.into_iter().zip(values) {
        columns.insert(name.trim(), column.into_iter().collect::<Column>());
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Options> {
        match Command::parse(line.split_whitespace().map(OsString::from))? {
            Command::Send(options) => Ok(*options),
            Command::Help => bail!("help"),
        }
    }

    #[test]
    fn only_loopback_is_sent_load() {
        let fault = parse("--connect 192.0.2.1:80 --rate 1").map(|_| ()).expect_err("refused").to_string();
        assert!(fault.contains("loopback alone"), "{fault}");
        assert!(parse("--connect 127.0.0.1:80,[::1]:81 --rate 1").is_ok());
        assert!(parse("--connect https://192.0.2.1:443 --rate 1").is_err());
    }

    #[test]
    fn https_targets_have_tls_and_the_others_not() {
        let options = parse("--connect https://[::1]:443,127.0.0.1:80 --rate 1 --tls-insecure").expect("options");
        let plan = options.plan().expect("a plan");
        let names = plan.targets.iter().map(|target| target.tls.as_ref().map(|tls| tls.server_name.as_str()));
        assert_eq!(names.collect::<Vec<_>>(), [Some("::1"), None]);
        assert!(parse("--connect 127.0.0.1:80 --rate 1 --tls-insecure").is_err());
        let missing = parse("--connect https://127.0.0.1:80 --rate 1 --tls-ca no-such-file").expect("options").plan();
        assert!(format!("{:#}", missing.expect_err("no file")).contains("--tls-ca no-such-file"));
    }

    #[test]
    fn one_kind_of_load_is_wanted() {
        assert!(parse("--connect 127.0.0.1:80").is_err());
        assert!(parse("--connect 127.0.0.1:80 --rate 1 --closed 2").is_err());
        assert_eq!(parse("--connect 127.0.0.1:80 --closed 2").expect("closed").load, Load::Users(2));
    }

    #[test]
    fn users_are_columns_of_equal_length() {
        assert_eq!(columns("user_id,card\na,1\nb,2\n").expect("columns").users(), Some(2));
        assert!(columns("user_id,card\na\n").is_err());
        assert!(columns("user_id\n").is_err());
    }
}
