//! HTTP to a chromedriver on this machine: one request a connection, JSON both ways.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than the longest script or page load that a session allows.
const TIMEOUT: Duration = Duration::from_secs(180);

/// `GET`, returning the reply's `value`.
///
/// Errors: no chromedriver there, or it reports one.
pub fn get(address: &str, path: &str) -> Result<Value> {
    exchange(address, "GET", path, None)
}

/// `POST` of a JSON body, returning the reply's `value`.
///
/// Errors: as [`get`].
pub fn post(address: &str, path: &str, body: &Value) -> Result<Value> {
    exchange(address, "POST", path, Some(body))
}

/// `DELETE`, returning the reply's `value`.
///
/// Errors: as [`get`].
pub fn delete(address: &str, path: &str) -> Result<Value> {
    exchange(address, "DELETE", path, None)
}

fn exchange(address: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).context("no chromedriver answers")?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes()).context("chromedriver hung up")?;
    let reply = body_of(BufReader::new(stream))
        .with_context(|| format!("chromedriver did not finish {method} {}", path_without_ids(path)))?;
    value_of(&reply).with_context(|| format!("{method} {}", path_without_ids(path)))
}

/// The body of an HTTP reply, as long as its header says: chromedriver does not hang up, whatever we ask for.
fn body_of(mut reply: impl BufRead) -> Result<Vec<u8>> {
    let mut n_bytes = None;
    loop {
        let mut line = String::new();
        ensure!(reply.read_line(&mut line)? > 0, "the reply ends in its header");
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            n_bytes = Some(value.trim().parse().context("a length that is no number")?);
        }
    }
    let mut body = vec![0; n_bytes.context("the reply has no length")?];
    reply.read_exact(&mut body)?;
    Ok(body)
}

/// The `value` of a WebDriver reply.
fn value_of(body: &[u8]) -> Result<Value> {
    let json: Value = serde_json::from_slice(body).context("not a WebDriver reply")?;
    let value = json.get("value").cloned().unwrap_or(Value::Null);
    match value.get("error").and_then(Value::as_str) {
        // A script may itself return an object with `error`; a protocol error also has these two.
        Some(error) if value.get("message").is_some() && value.get("stacktrace").is_some() => {
            let message = value["message"].as_str().unwrap_or_default();
            bail!("{error}: {}", message.lines().next().unwrap_or_default())
        }
        _ => Ok(value),
    }
}

/// The command's name in a message; ids say nothing to a reader.
fn path_without_ids(path: &str) -> String {
    path.split('/').filter(|piece| piece.len() < 24).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Result<Value> {
        value_of(json.as_bytes())
    }

    #[test]
    fn a_reply_ends_where_it_says() {
        let reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}and the connection stays open";
        assert_eq!(body_of(reply.as_bytes()).expect("a whole reply"), b"{}");
        assert!(body_of(&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"[..]).is_err());
        assert!(body_of(&b"nonsense"[..]).is_err());
    }

    #[test]
    fn a_value_is_unwrapped() {
        assert_eq!(value(r#"{"value":{"a":1}}"#).expect("a value")["a"], 1);
        assert_eq!(value(r#"{"value":{"error":"mine"}}"#).expect("a value")["error"], "mine");
    }

    #[test]
    fn a_protocol_error_is_one() {
        let error = value(r#"{"value":{"error":"no such window","message":"gone\nmore","stacktrace":""}}"#);
        assert_eq!(error.expect_err("an error").to_string(), "no such window: gone");
        assert!(value("nonsense").is_err());
    }
}
