//! A program of the bench: it reads a job a line and replies a report a line, like a page.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::runner::Subject;
use crate::cmd;

/// Loading and one computation, or timing it: one case that hangs must not take the whole run with it.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A program that was started and waits for requests; it ends when it is dropped.
pub struct Program {
    child: Child,
    requests: ChildStdin,
    replies: Receiver<String>,
}

impl Program {
    /// Starts it. What it writes to standard error stays on the terminal.
    ///
    /// Errors: it does not start.
    pub fn start(command: &mut Command) -> Result<Self> {
        let line = cmd::shown(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let requests = child.stdin.take().context("a piped input")?;
        let output = child.stdout.take().context("a piped output")?;
        let (sender, replies) = mpsc::channel();
        // A thread, so that waiting for a line can come to an end without one.
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            while let Some(Ok(line)) = lines.next() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, requests, replies })
    }

    /// Sends a request and waits for its reply.
    ///
    /// Errors: the program says so, ends, or takes too long. After that it must not be asked again.
    pub fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}").context("the program does not listen")?;
        let line = match self.replies.recv_timeout(TIMEOUT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("no reply within {} s", TIMEOUT.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!("the program ended ({})", self.child.wait()?),
        };
        let reply: Value = serde_json::from_str(&line).with_context(|| format!("no reply: {line}"))?;
        if let Some(failure) = reply["failure"].as_str() {
            bail!("{failure}");
        }
        Ok(reply["value"].clone())
    }
}

impl Subject for Program {
    fn prepare(&mut self, job: &Value) -> Result<Value> {
        self.ask(&json!({ "prepare": job }))
    }

    fn measure(&mut self) -> Result<Value> {
        self.ask(&json!("measure"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::start(Command::new("sh").args(["-c", script])).expect("every unix has a shell")
    }

    #[test]
    fn requests_are_replied_to_in_turn() {
        let mut program = shell("while read -r line; do echo \"{\\\"value\\\": $line}\"; done");
        assert_eq!(program.prepare(&json!([1])).expect("replied"), json!({ "prepare": [1] }));
        assert_eq!(program.measure().expect("replied"), json!("measure"));
    }

    #[test]
    fn failures_are_passed_on() {
        let failure = shell("read -r line; echo '{\"failure\": \"no weights\"}'; read -r line").measure();
        assert!(failure.expect_err("it said so").to_string().contains("no weights"));
        assert!(shell("read -r line").measure().is_err(), "it ended");
        assert!(shell("read -r line; echo oops; read -r line").measure().is_err(), "no JSON");
    }
}
