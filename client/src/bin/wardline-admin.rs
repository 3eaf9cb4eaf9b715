//! `wardline-admin`: parses, runs, prints.
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use wardline_client::admin::program::{self, Arguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(json, &error),
    };
    match runtime.block_on(program::run(arguments)) {
        Ok(outcome) => {
            let shown = outcome.shown(json);
            match writeln!(std::io::stdout(), "{}", shown.trim_end()) {
                Ok(()) => ExitCode::from(outcome.exit()),
                Err(error) => fail(json, &error),
            }
        }
        Err(error) => fail(json, &error),
    }
}

/// Scripts read one JSON object from standard output in any case; people read standard error.
fn fail(json: bool, error: &dyn std::error::Error) -> ExitCode {
    // With both streams gone the exit code is all that is left to say.
    let _ = match json {
        true => writeln!(std::io::stdout(), "{}", serde_json::json!({"error": error.to_string()})),
        false => writeln!(std::io::stderr(), "wardline-admin: {error}"),
    };
    ExitCode::FAILURE
}
