//! `wardline-admin`: parses, runs, prints.
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use wardline_client::admin::AdminError;
use wardline_client::admin::program::{self, Arguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    match run(arguments) {
        Ok(exit) => exit,
        // Scripts read one JSON object from standard output in any case; people read standard error. With both streams gone
        // the exit code is all that is left to say.
        Err(error) if json => {
            let _ = writeln!(std::io::stdout(), "{}", error.to_json());
            ExitCode::FAILURE
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "wardline-admin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, AdminError> {
    let json = arguments.json;
    let local = |error: std::io::Error| AdminError::Input(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(local)?;
    let outcome = runtime.block_on(program::run(arguments))?;
    writeln!(std::io::stdout(), "{}", outcome.shown(json).trim_end()).map_err(local)?;
    Ok(ExitCode::from(outcome.exit()))
}
