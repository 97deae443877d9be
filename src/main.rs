//! The `phonematch` command: parse, run, turn the result into an exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::harden();
    cli::main()
}
