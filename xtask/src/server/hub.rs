//! A server that answers as a model hub does, and misbehaves on request: for tests of downloads.
//!
//! Large files are at another origin, to which the hub sends on. That origin lets a page read no header of its own,
//! as some content networks do.

use anyhow::Result;
use serde_json::{Value, json};
use sha1::Digest as _;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Request;
use super::reply::{Range, Reply, parsed_range, text};
use super::{Running, start_with};

/// What the hub lets a page read.
const EXPOSED: &str = "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,\
                       Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash";
/// The file whose bytes the faults concern.
const LARGE: &str = ".safetensors";
/// How often a slow server sends.
const TICK: Duration = Duration::from_millis(50);

/// What the server does wrong with large files, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 401 for a gated repository without a token: whatever is asked for.
    Gated,
    /// 403 for whatever is asked for of a gated repository.
    Forbidden,
    /// 404 for the file.
    NoFile,
    /// 429, with `Retry-After`, to so many requests.
    Throttled(usize),
    /// The server has only so many bytes of the file.
    Truncated(u64),
    /// One bit of the byte at this place is another.
    Corrupt(u64),
    /// Always the whole file.
    NoRange,
    /// No more than so many bytes a second, for each connection.
    Slow(u64),
    /// Connections break after so many bytes, so often.
    Drops(u64, usize),
    /// Nobody answers, neither here nor there.
    Off,
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Path and query.
    pub url: String,
    /// Whether the origin of the large files was asked.
    pub is_large: bool,
    /// `Range`.
    pub range: Option<String>,
    /// `Authorization`.
    pub authorization: Option<String>,
    /// Bytes of a file that were sent or began to be.
    pub n_bytes: u64,
}

/// A running hub; stops when dropped.
pub struct Hub {
    shared: Arc<Shared>,
    hub: Running,
    _large: Running,
}

#[derive(Default)]
struct Shared {
    repos: Mutex<BTreeMap<String, Repo>>,
    fault: Mutex<Option<Fault>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Default)]
struct Repo {
    commit: String,
    files: BTreeMap<String, Arc<Vec<u8>>>,
    /// What the hub says of them; made once, since it hashes them.
    listing: Value,
}

impl Hub {
    /// Starts one without repositories.
    ///
    /// Errors: no free port.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let large = start_with(0, "", {
            let shared = Arc::clone(&shared);
            move |request| shared.large(request)
        })?;
        let hub = start_with(0, "", {
            let (shared, large) = (Arc::clone(&shared), large.url().to_owned());
            move |request| shared.hub(request, &large)
        })?;
        Ok(Self { shared, hub, _large: large })
    }

    /// Where it is, without a slash at the end.
    pub fn base(&self) -> &str {
        self.hub.url()
    }

    /// Makes the files the newest commit of a repository.
    pub fn put(&self, id: &str, files: &BTreeMap<String, Vec<u8>>) {
        let listing: Value = files.iter().map(|(name, bytes)| entry(name, bytes)).collect();
        let commit = hex(&sha1::Sha1::digest(format!("{id} {listing}")));
        let files = files.iter().map(|(name, bytes)| (name.clone(), Arc::new(bytes.clone()))).collect();
        lock(&self.shared.repos).insert(id.to_owned(), Repo { commit, files, listing });
    }

    /// Says that a large file has another length than it has.
    pub fn say_size(&self, id: &str, name: &str, size_bytes: u64) {
        let mut repos = lock(&self.shared.repos);
        let entries = repos.get_mut(id).and_then(|repo| repo.listing.as_array_mut());
        for entry in entries.into_iter().flatten().filter(|entry| entry["path"] == name) {
            entry["size"] = json!(size_bytes);
            entry["lfs"]["size"] = json!(size_bytes);
        }
    }

    /// From now on this is wrong.
    pub fn fault(&self, fault: Option<Fault>) {
        *lock(&self.shared.fault) = fault;
    }

    /// What was asked for since this was last called.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.shared.asked))
    }
}

impl Shared {
    /// The answer of the hub itself.
    fn hub(&self, request: &Request, large: &str) -> Option<Reply> {
        if *lock(&self.fault) == Some(Fault::Off) {
            return None;
        }
        let mut reply = if request.method == "OPTIONS" { text(200, "") } else { self.page(request, large) };
        let origin = request.origin.clone().unwrap_or_else(|| "*".to_owned());
        reply.headers.extend([
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Headers", "Authorization,Range".to_owned()),
            ("Access-Control-Expose-Headers", EXPOSED.to_owned()),
            ("Vary", "Origin".to_owned()),
        ]);
        Some(reply)
    }

    fn page(&self, request: &Request, large: &str) -> Reply {
        let fault = *lock(&self.fault);
        let n_log = self.log(request, false);
        match fault {
            Some(Fault::Gated) if request.authorization.is_none() => return refusal(401, "GatedRepo"),
            Some(Fault::Forbidden) => return refusal(403, "GatedRepo"),
            _ => {}
        }
        let path = request.url.split('?').next().unwrap_or_default();
        let repos = lock(&self.repos);
        let found = repos.iter().find_map(|(id, repo)| {
            let api = path.strip_prefix("/api/models/").and_then(|rest| rest.strip_prefix(id.as_str()));
            let of_page = path.strip_prefix('/').and_then(|rest| rest.strip_prefix(id.as_str()));
            Some((id, repo, api.or(of_page)?.strip_prefix('/')?))
        });
        let Some((id, repo, rest)) = found else { return refusal(401, "RepoNotFound") };
        let parts: Vec<&str> = rest.splitn(3, '/').collect();
        match parts[..] {
            ["revision", revision] if repo.is_at(revision) => {
                json_reply(&json!({ "id": id, "sha": repo.commit }))
            }
            ["tree", revision] if repo.is_at(revision) => json_reply(&repo.listing),
            ["revision" | "tree", _] => refusal(404, "RevisionNotFound"),
            ["resolve", commit, name] if commit == repo.commit => match repo.files.get(name) {
                Some(_) if name.ends_with(LARGE) && fault == Some(Fault::NoFile) => {
                    refusal(404, "EntryNotFound")
                }
                Some(_) if name.ends_with(LARGE) => {
                    let mut reply = text(302, "");
                    reply.headers.push(("Location", format!("{large}/{id}/{name}?signed=1")));
                    reply
                }
                Some(bytes) => {
                    let reply = file(bytes, request.range.as_deref());
                    self.sent(n_log, reply.n_bytes);
                    reply
                }
                None => refusal(404, "EntryNotFound"),
            },
            _ => refusal(404, "EntryNotFound"),
        }
    }

    /// The answer of the origin that has the large files.
    fn large(&self, request: &Request) -> Option<Reply> {
        if *lock(&self.fault) == Some(Fault::Off) {
            return None;
        }
        let mut reply = if request.method == "OPTIONS" { text(200, "") } else { self.bytes(request) };
        reply.headers.push(("Access-Control-Allow-Origin", "*".to_owned()));
        reply.headers.push(("Access-Control-Allow-Headers", "Range".to_owned()));
        Some(reply)
    }

    fn bytes(&self, request: &Request) -> Reply {
        let n_log = self.log(request, true);
        let path = request.url.split('?').next().unwrap_or_default().trim_start_matches('/');
        let (id, name) = path.rsplit_once('/').unwrap_or_default();
        let Some(bytes) = lock(&self.repos).get(id).and_then(|repo| repo.files.get(name)).map(Arc::clone)
        else {
            return refusal(404, "EntryNotFound");
        };
        let range = request.range.as_deref();
        let mut fault = lock(&self.fault);
        let mut reply = match &mut *fault {
            Some(Fault::Throttled(n_left @ 1..)) => {
                *n_left -= 1;
                let mut reply = refusal(429, "");
                reply.headers.push(("Retry-After", "1".to_owned()));
                return reply;
            }
            Some(Fault::Corrupt(at)) => {
                let mut bytes = (*bytes).clone();
                if let Some(byte) = usize::try_from(*at).ok().and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 1;
                }
                file(&Arc::new(bytes), range)
            }
            Some(Fault::Truncated(n_bytes)) => {
                let n_bytes =
                    usize::try_from(*n_bytes).map_or(bytes.len(), |n_bytes| n_bytes.min(bytes.len()));
                file(&Arc::new(bytes[..n_bytes].to_vec()), range)
            }
            Some(Fault::NoRange) => file(&bytes, None),
            _ => file(&bytes, range),
        };
        match &mut *fault {
            Some(Fault::Slow(rate)) => reply.body = Box::new(Slow { body: reply.body, rate: *rate }),
            Some(Fault::Drops(n_bytes, n_left @ 1..)) => {
                *n_left -= 1;
                reply.body = Box::new(reply.body.take(*n_bytes));
            }
            _ => {}
        }
        drop(fault);
        self.sent(n_log, reply.n_bytes);
        reply
    }

    /// Notes a request, and says where.
    fn log(&self, request: &Request, is_large: bool) -> usize {
        let mut asked = lock(&self.asked);
        asked.push(Asked {
            url: request.url.clone(),
            is_large,
            range: request.range.clone(),
            authorization: request.authorization.clone(),
            n_bytes: 0,
        });
        asked.len() - 1
    }

    fn sent(&self, n_log: usize, n_bytes: u64) {
        if let Some(asked) = lock(&self.asked).get_mut(n_log) {
            asked.n_bytes = n_bytes;
        }
    }
}

impl Repo {
    fn is_at(&self, revision: &str) -> bool {
        revision == "main" || revision == self.commit
    }
}

/// What the hub says of a file: what git has of a large one is a pointer to it.
fn entry(name: &str, bytes: &[u8]) -> Value {
    let git = |bytes: &[u8]| {
        hex(&sha1::Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
    };
    let size_bytes = bytes.len();
    let mut entry = json!({ "type": "file", "path": name, "size": size_bytes });
    if name.ends_with(LARGE) {
        let hash = sha256(bytes);
        let pointer =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{hash}\nsize {size_bytes}\n");
        entry["oid"] = json!(git(pointer.as_bytes()));
        entry["lfs"] = json!({ "oid": hash, "size": size_bytes, "pointerSize": pointer.len() });
    } else {
        entry["oid"] = json!(git(bytes));
    }
    entry
}

/// A body that comes slowly.
struct Slow {
    body: Box<dyn Read>,
    /// Bytes a second.
    rate: u64,
}

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(TICK);
        let most = (self.rate * TICK.as_millis() as u64 / 1000).max(1);
        let n = into.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        self.body.read(&mut into[..n])
    }
}

fn file(bytes: &Arc<Vec<u8>>, range: Option<&str>) -> Reply {
    let size_bytes = bytes.len() as u64;
    let part = range.map_or(Range::Whole, |range| parsed_range(range, size_bytes));
    let mut headers = vec![("Accept-Ranges", "bytes".to_owned())];
    let (status, start, n_bytes) = match part {
        Range::Whole => (200, 0, size_bytes),
        Range::Part { start, len } => {
            headers.push(("Content-Range", format!("bytes {start}-{}/{size_bytes}", start + len - 1)));
            (206, start, len)
        }
        Range::Unsatisfiable => {
            let mut reply = text(416, "");
            reply.headers.push(("Content-Range", format!("bytes */{size_bytes}")));
            return reply;
        }
    };
    let mut body = Cursor::new(Shares(Arc::clone(bytes)));
    body.set_position(start);
    Reply { status, headers, n_bytes, body: Box::new(body.take(n_bytes)) }
}

/// Bytes that several answers share.
struct Shares(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shares {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn refusal(status: u16, code: &'static str) -> Reply {
    let mut reply = text(status, "");
    reply.headers.push(("X-Error-Code", code.to_owned()));
    reply
}

fn json_reply(value: &Value) -> Reply {
    text(200, &value.to_string())
}

fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A test that failed has said so; the server goes on for the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
