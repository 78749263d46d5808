//! `wallet-rust`: reads the command line, opens the port, serves until a signal.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use wallet_rust::check::check;
use wallet_rust::log;
use wallet_rust::options::{Command, HELP, Options};
use wallet_rust::server::Server;
use wallet_rust::service::Service;

/// A flag or the data cannot be used.
const EXIT_UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "wallet-rust: {fault}");
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Command::parse(std::env::args_os().skip(1), std::env::var_os("WORKERS"))? {
        Command::Help => Ok(std::io::stdout().write_all(HELP.as_bytes())?),
        Command::Check(url) => Ok(check(&url)?),
        Command::Serve(options) => actix_web::rt::System::new().block_on(serve(options)),
    }
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let service = Arc::new(Service::with_store(options.store.is_some()));
    let server = Server::bind(options.listen, options.workers, service)?;
    writeln!(std::io::stdout(), "listening {}", server.address())?;
    let address = server.address().to_string();
    log::info(
        "listening",
        &[("name", &options.name), ("address", &address), ("workers", &options.workers.to_string())],
    );
    let name = options.name.clone();
    server
        .run(options.data, options.store, move |ledger| {
            let (users, entries) = (ledger.users().len().to_string(), ledger.entries().to_string());
            log::info("ready", &[("name", &name), ("users", &users), ("entries", &entries)]);
        })
        .await?;
    log::info("stopped", &[("name", &options.name)]);
    Ok(())
}
