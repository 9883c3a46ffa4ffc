//! A small static file server for the site: local, read-only, and as plain as any host that people will use.

use anyhow::{Context as _, Result, anyhow};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tiny_http::{Request, Server};

pub mod reply;

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
        Self { dist: dist.to_path_buf(), port: 0, base: "/".into(), isolation: Isolation::Plain }
    }
}

/// A server that runs until it is dropped.
pub struct Running {
    server: Arc<Server>,
    threads: Vec<JoinHandle<()>>,
    url: String,
}

impl Running {
    /// Where the page is, with a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed why; the others go on serving.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for _ in &self.threads {
            self.server.unblock();
        }
    }
}

/// More than one, because a browser fetches a model and a page at once.
const N_THREADS: usize = 4;

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
    let server = Arc::new(bind(options.port)?);
    let port = server.server_addr().to_ip().context("the server has no port")?.port();
    let threads = (0..N_THREADS)
        .map(|_| {
            let (server, options) = (Arc::clone(&server), options.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    respond(request, &options);
                }
            })
        })
        .collect();
    Ok(Running { server, threads, url: format!("http://127.0.0.1:{port}{}", options.base) })
}

fn bind(wished: u16) -> Result<Server> {
    let last = if wished == 0 { 0 } else { wished.saturating_add(N_PORTS) };
    for port in wished..=last {
        match Server::http((Ipv4Addr::LOCALHOST, port)) {
            Ok(server) => return Ok(server),
            Err(error) if port == last => {
                return Err(anyhow!("no free port from {wished} to {last}: {error}"));
            }
            Err(_) => println!("Port {port} is taken, trying the next."),
        }
    }
    Err(anyhow!("no port to try from {wished}"))
}

fn respond(request: Request, options: &Options) {
    let response = reply::reply(&request, options);
    // A browser that closed the connection (a cancelled fetch) is nobody's fault.
    let _ = request.respond(response);
}
