//! `cargo xtask`: build, serve and check Vitrine.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

use xtask::bench::cases::Provider;
use xtask::bench::native::Choice;
use xtask::play::{self, Open};
use xtask::server::{Isolation, Options};
use xtask::webdriver::chrome::Window;
use xtask::{bench, golden, site, stages, tidy};

/// The tasks of this checkout.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the app, serve it on this machine and open it in a browser.
    Play(Serve),
    /// Serve a site that was built before.
    Serve(Serve),
    /// Build the static site: any file server can host it, under any path.
    Build {
        /// Where to leave it [default: dist].
        #[arg(long)]
        dist: Option<PathBuf>,
    },
    /// Run what CI runs, cheapest first, and stop at the first failure.
    Test {
        /// Only these stages, in their usual order.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(stages::names()))]
        stages: Vec<String>,
    },
    /// Check the rules of the house that no compiler checks.
    Tidy,
    /// Run end-to-end tests in a browser.
    E2e {
        /// Only tests whose name contains one of these words.
        words: Vec<String>,
        /// Show the browser.
        #[arg(long)]
        show: bool,
        /// Test the site in dist/ as it is.
        #[arg(long)]
        no_build: bool,
    },
    /// Measure: the native engine beside PyTorch, the site in a browser, or how cost grows.
    Bench {
        #[command(subcommand)]
        what: Option<Bench>,
    },
    /// Print what a visitor loads, against the budget.
    Size,
    /// Make the golden files anew (needs Python).
    Golden {
        /// Passed on to tests/golden/make.py.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[derive(clap::Args)]
struct Serve {
    /// The first port to try.
    #[arg(long, default_value_t = 8128)]
    port: u16,
    /// Only print the address.
    #[arg(long)]
    no_open: bool,
    /// Send the headers (COOP, COEP) that let a page use shared memory.
    #[arg(long)]
    isolated: bool,
    /// The site's folder [default: dist].
    #[arg(long)]
    dist: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Bench {
    /// The native engine beside PyTorch, on the processor and on a GPU (the default).
    Native {
        /// Only this; results are printed, not written.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(bench::native::names()))]
        case: Option<String>,
        #[command(flatten)]
        with: With,
    },
    /// How the native engine's cost grows with tokens, layers and variants: a table and a plot.
    Scaling {
        #[command(flatten)]
        with: With,
    },
    /// The site in a headless Chromium: its first live answer, and its engine beside onnxruntime-web.
    Browser {
        /// How often the page is opened for the first answer.
        #[arg(long, default_value_t = bench::first_answer::N_RUNS)]
        runs: usize,
        /// Only this; results are printed, not written.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(bench::browser::names()))]
        case: Option<String>,
        /// Measure the site in dist/ as it is.
        #[arg(long)]
        no_build: bool,
        /// A folder with the program `vitrine`, in place of building it.
        #[arg(long, value_name = "DIR")]
        programs: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct With {
    /// Only the processor, or only the GPU.
    #[arg(long, value_enum)]
    on: Option<On>,
    /// A Python that has PyTorch, in place of an environment of our own.
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// A folder with the programs `vitrine` and `native`, for a machine that cannot build them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum On {
    Cpu,
    Gpu,
}

impl With {
    fn choice(self, case: Option<String>) -> Choice {
        let Self { on, python, programs } = self;
        let provider = on.map(|on| match on {
            On::Cpu => Provider::Cpu,
            On::Gpu => Provider::Gpu,
        });
        Choice { case, provider, python, programs }
    }
}

fn main() -> ExitCode {
    match run(Args::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Play(serve) => {
            site::build(&play::dist_or_default(serve.dist.as_deref()))?;
            self::serve(&serve)
        }
        Verb::Serve(serve) => self::serve(&serve),
        Verb::Build { dist } => site::build(&play::dist_or_default(dist.as_deref())),
        Verb::Test { stages } => stages::run(&stages),
        Verb::Tidy => tidy::run(),
        Verb::E2e { words, show, no_build } => {
            if !no_build {
                site::build(&xtask::paths::dist())?;
            }
            stages::browser::run_e2e(&words, if show { Window::Shown } else { Window::Headless })
        }
        Verb::Bench { what: None } => bench::native::run(&Choice::default()),
        Verb::Bench { what: Some(Bench::Native { case, with }) } => bench::native::run(&with.choice(case)),
        Verb::Bench { what: Some(Bench::Scaling { with }) } => bench::scaling::run(&with.choice(None)),
        Verb::Bench { what: Some(Bench::Browser { runs, case, no_build, programs }) } => {
            if !no_build {
                site::build(&xtask::paths::dist())?;
            }
            bench::browser::run(runs, case.as_deref(), programs.as_deref())
        }
        Verb::Size => {
            let sizes = site::size::measure(&xtask::paths::dist())?;
            site::size::print(&sizes);
            site::size::check(&sizes)
        }
        Verb::Golden { args } => golden::make(&args),
    }
}

fn serve(serve: &Serve) -> Result<()> {
    let options = Options {
        dist: play::dist_or_default(serve.dist.as_deref()),
        port: serve.port,
        base: "/".into(),
        isolation: if serve.isolated { Isolation::CrossOriginIsolated } else { Isolation::Plain },
        beside: vec![],
    };
    play::serve(&options, if serve.no_open { Open::Nothing } else { Open::Browser })
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
