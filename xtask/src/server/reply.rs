//! What one request gets: a file or a piece of it, the right type, a fitting cache header.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::connection::Request;
use super::{Isolation, Options};
use crate::site::hashed;

/// Something to send.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Names and values; the length is not among them.
    pub headers: Vec<(&'static str, String)>,
    /// How many bytes the body has.
    pub n_bytes: u64,
    /// Read while it is sent.
    pub body: Box<dyn Read>,
}

/// The response to one request. A failure is a status, never a panic.
pub fn reply(request: &Request, options: &Options) -> Reply {
    if !["GET", "HEAD"].contains(&request.method.as_str()) {
        return text(405, "This server only reads.\n");
    }
    let Some(path) = file_of(&request.url, options) else { return text(404, "There is nothing here.\n") };
    match file(&path, request.range.as_deref()) {
        Ok(reply) => with_policy(reply, options),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => text(404, "There is nothing here.\n"),
        Err(error) => text(500, &format!("{error}\n")),
    }
}

/// The file that a URL names, or `None` outside the site.
fn file_of(url: &str, options: &Options) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let beside = options.beside.iter().map(|(base, folder)| (base, folder));
    let mut folders = beside.chain([(&options.base, &options.dist)]);
    let (relative, folder) =
        folders.find_map(|(base, folder)| Some((path.strip_prefix(base.as_str())?, folder)))?;
    let relative = decoded(relative)?;
    let relative = Path::new(&relative);
    if !relative.components().all(|component| matches!(component, Component::Normal(_))) {
        return None; // `..` and absolute paths stay outside.
    }
    let file = folder.join(relative);
    Some(if file.is_dir() { file.join("index.html") } else { file })
}

/// Undoes percent-encoding; `None` for a broken one.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn file(path: &Path, range: Option<&str>) -> std::io::Result<Reply> {
    let mut file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    let (status, start, n_bytes) = match range.map(|range| parsed_range(range, size_bytes)) {
        None | Some(Range::Whole) => (200, 0, size_bytes),
        Some(Range::Part { start, len }) => (206, start, len),
        Some(Range::Unsatisfiable) => {
            let mut reply = text(416, "");
            reply.headers.push(("Content-Range", format!("bytes */{size_bytes}")));
            return Ok(reply);
        }
    };
    file.seek(SeekFrom::Start(start))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let cache = if hashed::is_hashed(&name) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = vec![
        ("Content-Type", mime(&name).to_owned()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("Cache-Control", cache.to_owned()),
    ];
    if status == 206 {
        headers.push(("Content-Range", format!("bytes {start}-{}/{size_bytes}", start + n_bytes - 1)));
    }
    Ok(Reply { status, headers, n_bytes, body: Box::new(file.take(n_bytes)) })
}

/// What a `Range` header asks for of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Range {
    /// All of it.
    Whole,
    /// So many bytes from `start`.
    Part {
        /// The first byte.
        start: u64,
        /// How many.
        len: u64,
    },
    /// Nothing that it has.
    Unsatisfiable,
}

/// One byte range; several at once, or a unit that we do not know, give the whole file, as the standard allows.
pub fn parsed_range(range: &str, size_bytes: u64) -> Range {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(start), Ok(last)) if start <= last => (start, last.saturating_add(1).min(size_bytes)),
        (Ok(start), Err(_)) if last.trim().is_empty() => (start, size_bytes),
        (Err(_), Ok(n)) if first.trim().is_empty() => (size_bytes.saturating_sub(n), size_bytes),
        _ => return Range::Whole,
    };
    if start < end { Range::Part { start, len: end - start } } else { Range::Unsatisfiable }
}

fn with_policy(mut reply: Reply, options: &Options) -> Reply {
    if options.isolation == Isolation::CrossOriginIsolated {
        reply.headers.extend([
            ("Cross-Origin-Opener-Policy", "same-origin".to_owned()),
            ("Cross-Origin-Embedder-Policy", "require-corp".to_owned()),
            ("Cross-Origin-Resource-Policy", "same-origin".to_owned()),
        ]);
    }
    reply
}

/// A short text.
pub fn text(status: u16, text: &str) -> Reply {
    let headers = vec![
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Cache-Control", "no-cache".to_owned()),
    ];
    let body = Box::new(std::io::Cursor::new(text.to_owned()));
    Reply { status, headers, n_bytes: text.len() as u64, body }
}

/// The media type of a file, by the end of its name.
fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "md" | "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parsed_range("bytes=0-3", 10), Range::Part { start: 0, len: 4 });
        assert_eq!(parsed_range("bytes=8-99", 10), Range::Part { start: 8, len: 2 });
        assert_eq!(parsed_range("bytes=4-", 10), Range::Part { start: 4, len: 6 });
        assert_eq!(parsed_range("bytes=-4", 10), Range::Part { start: 6, len: 4 });
        assert_eq!(parsed_range("bytes=10-", 10), Range::Unsatisfiable);
        assert_eq!(parsed_range("bytes=0-1,4-5", 10), Range::Whole);
        assert_eq!(parsed_range("lines=0-1", 10), Range::Whole);
    }

    #[test]
    fn nothing_outside_the_site_is_served() {
        let options = Options { base: "/a/b/".into(), ..Options::any_port(Path::new("/site")) };
        assert_eq!(file_of("/a/b/x/y.js?v=1", &options), Some(PathBuf::from("/site/x/y.js")));
        assert_eq!(file_of("/a/b/%78.js", &options), Some(PathBuf::from("/site/x.js")));
        for outside in
            ["/", "/a/x.js", "/a/b/../x", "/a/b/%2e%2e/x", "/a/b//etc/passwd", "/a/b/%2fetc/passwd"]
        {
            assert_eq!(file_of(outside, &options), None, "{outside}");
        }
    }

    #[test]
    fn folders_beside_the_site_have_their_own_paths() {
        let beside = vec![("/peer/".to_owned(), PathBuf::from("/elsewhere"))];
        let options = Options { beside, ..Options::any_port(Path::new("/site")) };
        assert_eq!(file_of("/peer/a.js", &options), Some(PathBuf::from("/elsewhere/a.js")));
        assert_eq!(file_of("/peers/a.js", &options), Some(PathBuf::from("/site/peers/a.js")));
        assert_eq!(file_of("/peer/../a.js", &options), None);
    }

    #[test]
    fn wasm_has_the_type_that_streaming_compilation_asks_for() {
        assert_eq!(mime("app-0123456789abcdef.wasm"), "application/wasm");
    }
}
