//! `wardline-client`: parses, runs, prints errors.
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use wardline_client::program::{self, Arguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let filter = tracing_subscriber::EnvFilter::try_from_env("WARDLINE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("wardline_client=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(program::run(arguments)),
        Err(error) => Err(error.into()),
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // With both streams gone the exit code is all that is left to say.
    if json {
        let _ =
            writeln!(std::io::stdout(), "{}", serde_json::json!({ "event": "error", "message": error.to_string() }));
    }
    let _ = writeln!(std::io::stderr(), "wardline-client: {error}");
    ExitCode::FAILURE
}
