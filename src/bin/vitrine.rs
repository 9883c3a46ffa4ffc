//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    vitrine::cli::main()
}
