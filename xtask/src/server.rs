//! A small static file server for the site: local, read-only, and as plain as any host that people will use.

use anyhow::{Context as _, Result, anyhow};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub mod connection;
#[cfg(feature = "e2e")]
pub mod hub;
pub mod reply;

use connection::Request;
use reply::Reply;

/// How the site is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with index.html.
    pub dist: PathBuf,
    /// The first port to try; 0 lets the system choose.
    pub port: u16,
    /// The path under which the site lies; begins and ends with a slash.
    pub base: String,
    /// Whether the page gets the headers that allow shared memory.
    pub isolation: Isolation,
    /// Folders beside the site: a path that ends with a slash, and what lies under it. They win over the site.
    pub beside: Vec<(String, PathBuf)>,
}

/// Whether the page is isolated from other origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// As on most hosts.
    Plain,
    /// With `Cross-Origin-Opener-Policy` and `Cross-Origin-Embedder-Policy`: threads become possible.
    CrossOriginIsolated,
}

impl Options {
    /// The site of this checkout at the root of a port that the system chooses.
    pub fn any_port(dist: &Path) -> Self {
        Self {
            dist: dist.to_path_buf(),
            port: 0,
            base: "/".into(),
            isolation: Isolation::Plain,
            beside: vec![],
        }
    }
}

/// A server that runs until it is dropped.
pub struct Running {
    address: SocketAddr,
    url: String,
    is_stopped: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Running {
    /// Where the page is, with a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(listening) = self.listening.take() {
            // A thread that panicked has printed why.
            let _ = listening.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // One more visit wakes the listening thread, which then sees that it should stop.
        let _ = TcpStream::connect(self.address);
    }
}

/// How many ports after the wished one are tried.
const N_PORTS: u16 = 100;

/// Serves on 127.0.0.1, on the first free port from `options.port`.
///
/// Errors: no index.html; no free port.
pub fn start(options: &Options) -> Result<Running> {
    let index = options.dist.join("index.html");
    if !index.is_file() {
        return Err(anyhow!("there is no {}; `cargo xtask build` makes it", index.display()));
    }
    let options = options.clone();
    let (port, base) = (options.port, options.base.clone());
    start_with(port, &base, move |request| Some(reply::reply(request, &options)))
}

/// Serves whatever `answer` makes of requests, as [`start`] does; where it is `None`, the connection ends.
fn start_with(
    port: u16,
    base: &str,
    answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) -> Result<Running> {
    let listener = bind(port)?;
    let address = listener.local_addr().context("the server has no port")?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let url = format!("http://{address}{base}");
    let listening = std::thread::spawn({
        let is_stopped = Arc::clone(&is_stopped);
        move || listen(&listener, &Arc::new(answer), &is_stopped)
    });
    Ok(Running { address, url, is_stopped, listening: Some(listening) })
}

/// Gives every connection a thread: a browser keeps several open, and none may wait for another.
fn listen(
    listener: &TcpListener,
    answer: &Arc<impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static>,
    is_stopped: &AtomicBool,
) {
    for stream in listener.incoming() {
        if is_stopped.load(Ordering::Relaxed) {
            return;
        }
        // A connection that failed before it began is the browser's to repeat.
        let Ok(stream) = stream else { continue };
        let answer = Arc::clone(answer);
        std::thread::spawn(move || connection::serve(stream, &*answer));
    }
}

fn bind(wished: u16) -> Result<TcpListener> {
    let last = if wished == 0 { 0 } else { wished.saturating_add(N_PORTS) };
    for port in wished..=last {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if port == last => {
                return Err(anyhow!("no free port from {wished} to {last}: {error}"));
            }
            Err(_) => println!("Port {port} is taken, trying the next."),
        }
    }
    Err(anyhow!("no port to try from {wished}"))
}
