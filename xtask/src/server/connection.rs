//! One connection: HTTP/1.1 requests in turn, as many as the browser sends.

use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::reply::Reply;

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(120);

/// More than any browser sends in a request without a body.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, or something that gets 405.
    pub method: String,
    /// As in the first line.
    pub url: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `Origin` header: who asks from another site.
    pub origin: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Whether the connection ends after the reply.
    pub is_last: bool,
}

/// Answers until the browser has enough. A connection that breaks off (a cancelled fetch) is nobody's fault.
pub fn serve(stream: TcpStream, answer: &impl Fn(&Request) -> Option<Reply>) {
    let _ = answer_all(stream, answer);
}

fn answer_all(stream: TcpStream, answer: &impl Fn(&Request) -> Option<Reply>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let is_head = request.method == "HEAD";
        let Some(reply) = answer(&request) else { break };
        write(&mut writer, reply, is_head, request.is_last)?;
        if request.is_last {
            break;
        }
    }
    Ok(())
}

/// The next request, or `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut head = reader.take(MAX_HEAD_BYTES);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        url: words.next().unwrap_or_default(),
        ..Default::default()
    };
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.trim().to_owned()),
            "origin" => request.origin = Some(value.trim().to_owned()),
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            "connection" => request.is_last |= value.trim().eq_ignore_ascii_case("close"),
            // We never read a body; what follows it could not be told from a request.
            "content-length" | "transfer-encoding" => request.is_last = true,
            _ => {}
        }
    }
    Ok(Some(request))
}

fn write(writer: &mut impl Write, mut reply: Reply, is_head: bool, is_last: bool) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // Sizes are always stated, so that a page can show progress.
    head.push_str(&format!("Content-Length: {}\r\n", reply.n_bytes));
    if is_last {
        head.push_str("Connection: close\r\n");
    }
    head.push_str("\r\n");
    writer.write_all(head.as_bytes())?;
    if !is_head {
        let n_sent = std::io::copy(&mut reply.body, writer)?;
        // What comes after would be taken for the rest.
        if n_sent < reply.n_bytes {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    writer.flush()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_one_after_the_other() {
        let mut text = &b"GET /a?b HTTP/1.1\r\nHost: x\r\nRANGE: bytes=0-3\r\n\r\nHEAD /c HTTP/1.1\r\nConnection: close\r\n\r\n"[..];
        let first = read(&mut text).expect("readable").expect("a request");
        assert_eq!((first.method.as_str(), first.url.as_str()), ("GET", "/a?b"));
        assert_eq!((first.range.as_deref(), first.is_last), (Some("bytes=0-3"), false));
        let second = read(&mut text).expect("readable").expect("a request");
        assert!(second.is_last && second.method == "HEAD");
        assert_eq!(read(&mut text).expect("readable"), None);
    }

    #[test]
    fn a_request_that_breaks_off_is_none() {
        assert!(read(&mut &b"GET / HTTP/1.1\r\nHost"[..]).is_err());
    }
}
