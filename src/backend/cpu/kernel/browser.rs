//! The kernel module, called from the engine's: activations are copied in, results out.
//!
//! Which build it is and what helps are chosen by `assets/kernel/open.js`, which stands in front of this worker's
//! script. A product is never waited for longer than a second: whoever asked computes alone what a lost helper took
//! part in.

use std::{
    cell::{Cell, RefCell},
    fmt,
    ops::Range,
    rc::Rc,
};

use js_sys::{Atomics, Date, Float32Array, Function, Int32Array, Promise, Reflect, WebAssembly::Memory};
use vitrine_kernel::{Dims, PANEL, packed_len};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::layout::{Layout, aligned};
use crate::backend::{BackendError, DeviceFault};

/// Rows that are multiplied at once: enough that reading the weights takes little beside it.
const N_ROWS: usize = 256;
/// A product with fewer multiplications is done before a helper wakes.
const MIN_SHARED: usize = 1 << 18;
/// Chunks a thread: enough that none waits long for the last.
const CHUNKS_PER_THREAD: usize = 16;
/// As `kernel/wasm` has it.
const MAX_CHUNKS: usize = 64;
/// How long a helper may take for one chunk: thousands of times what it should.
const PATIENCE_MILLIS: f64 = 1000.0;
/// How often the end is looked for, in about a millisecond, before the thread lets others run.
const N_LOOKS: usize = 10_000;
const F32_BYTES: usize = size_of::<f32>();

#[wasm_bindgen]
extern "C" {
    /// What `openKernel` resolves to.
    type Opened;
    #[wasm_bindgen(method, getter)]
    fn memory(this: &Opened) -> Memory;
    #[wasm_bindgen(method, getter)]
    fn exports(this: &Opened) -> Exports;
    #[wasm_bindgen(method, getter)]
    fn start(this: &Opened) -> usize;
    #[wasm_bindgen(method, getter)]
    fn instructions(this: &Opened) -> String;
    #[wasm_bindgen(method, getter, js_name = nThreads)]
    fn n_threads(this: &Opened) -> usize;
    #[wasm_bindgen(method)]
    fn reach(this: &Opened, bytes: usize) -> bool;
    #[wasm_bindgen(method)]
    fn close(this: &Opened);

    /// `kernel/wasm/src/exports.rs`
    type Exports;
    #[wasm_bindgen(method)]
    fn begin(
        this: &Exports,
        is_transposed: u32,
        m: usize,
        n: usize,
        k: usize,
        a: usize,
        b: usize,
        bias: usize,
        c: usize,
        chunk: usize,
    );
    #[wasm_bindgen(method)]
    fn work(this: &Exports) -> usize;
    #[wasm_bindgen(method)]
    fn n_unfinished(this: &Exports) -> usize;
    #[wasm_bindgen(method)]
    fn number_address(this: &Exports) -> usize;
}

/// The kernel module with a memory of its own; both go when nothing in it is used any more.
pub struct Kernel {
    opened: Opened,
    exports: Exports,
    memory: Memory,
    layout: RefCell<Layout>,
    n_threads: Cell<usize>,
    is_helper_lost: Cell<bool>,
}

/// Which of the two products, and what it reads and writes a row.
struct Product<'a> {
    is_transposed: bool,
    dims: Dims,
    n_in: usize,
    n_out: usize,
    bias: Option<&'a [f32]>,
}

impl Kernel {
    /// The kernel module for one model; nothing where the page has none that the browser accepts.
    pub async fn open() -> Option<Self> {
        let open = Reflect::get(&js_sys::global(), &"openKernel".into()).ok()?;
        let promise = open.dyn_ref::<Function>()?.call0(&JsValue::NULL).ok()?.dyn_into::<Promise>().ok()?;
        let opened = JsFuture::from(promise).await.ok().filter(JsValue::is_object)?;
        let opened: Opened = opened.unchecked_into();
        Some(Self {
            exports: opened.exports(),
            memory: opened.memory(),
            layout: RefCell::new(Layout::new(opened.start())),
            n_threads: Cell::new(opened.n_threads()),
            is_helper_lost: Cell::new(false),
            opened,
        })
    }

    pub(in crate::backend::cpu) fn adapter(&self) -> String {
        let threads = match (self.n_threads.get(), self.is_helper_lost.get()) {
            (_, true) => "1 thread (another did not answer)".to_owned(),
            (1, false) => "1 thread".to_owned(),
            (n, false) => format!("{n} threads"),
        };
        format!("WebAssembly {}, {threads}", self.opened.instructions())
    }

    pub(in crate::backend::cpu) fn n_threads(&self) -> usize {
        self.n_threads.get()
    }

    /// Makes the memory reach to an address.
    fn reach(&self, end: usize) -> Result<(), BackendError> {
        if self.opened.reach(end) {
            return Ok(());
        }
        Err(BackendError::Device {
            backend: "cpu",
            fault: DeviceFault::OutOfMemory,
            message: format!("this browser gives the kernels no {} MB of memory", end.div_ceil(1_000_000)),
        })
    }

    fn view(&self, address: usize, len: usize) -> Float32Array {
        // Asked for anew each time: a memory that grew has another buffer.
        Float32Array::new_with_byte_offset_and_length(&self.memory.buffer(), address as u32, len as u32)
    }

    /// All rows of `a`, some at a time, through the room behind the weights.
    fn multiply(&self, product: &Product<'_>, a: &[f32], block: &Block) -> Result<Vec<f32>, BackendError> {
        let Product { n_in, n_out, dims: Dims { m: n_rows, .. }, .. } = *product;
        let mut c = Vec::new();
        for first in (0..n_rows).step_by(N_ROWS) {
            let m = N_ROWS.min(n_rows - first);
            let rows = self.rows(product, m, &a[first * n_in..][..m * n_in], block)?;
            if m == n_rows {
                return Ok(rows.to_vec());
            }
            // Nothing is written twice: a large result of zeros would take as long as a copy.
            c.reserve_exact((n_rows - first) * n_out);
            c.extend_from_slice(&rows.to_vec());
        }
        Ok(c)
    }

    /// `m` rows of the product, where they lie until the next product.
    fn rows(
        &self,
        product: &Product<'_>,
        m: usize,
        a: &[f32],
        block: &Block,
    ) -> Result<Float32Array, BackendError> {
        let Product { n_out, dims: Dims { n, k, .. }, .. } = *product;
        loop {
            let a_at = self.layout.borrow().end();
            let bias_at = aligned(a_at + a.len() * F32_BYTES);
            let c_at = aligned(bias_at + product.bias.map_or(0, <[f32]>::len) * F32_BYTES);
            let end = c_at + m * n_out * F32_BYTES;
            self.reach(end)?;
            self.view(a_at, a.len()).copy_from(a);
            if let Some(bias) = product.bias {
                self.view(bias_at, bias.len()).copy_from(bias);
            }
            let bias_at = if product.bias.is_some() { bias_at } else { 0 };
            let n_panels = n_out.div_ceil(PANEL);
            let is_shared = 1 < self.n_threads.get() && MIN_SHARED <= m * n * k;
            let chunk = if is_shared { self.chunk(n_panels) } else { n_panels.max(1) };
            let is_transposed = u32::from(product.is_transposed);
            self.exports.begin(is_transposed, m, n, k, a_at, block.start, bias_at, c_at, chunk);
            if is_shared {
                self.wake();
            }
            // A helper that is still awake may have taken even the only chunk.
            if self.exports.work() == 0 || self.is_finished() {
                return Ok(self.view(c_at, m * n_out));
            }
            self.give_helpers_up(end);
        }
    }

    /// Panels in a chunk.
    fn chunk(&self, n_panels: usize) -> usize {
        let n_chunks = (self.n_threads.get() * CHUNKS_PER_THREAD).min(MAX_CHUNKS);
        // Rounded up, so that there are never more chunks than can be counted.
        n_panels.div_ceil(n_chunks)
    }

    /// The word that helpers sleep on.
    fn word(&self) -> (Int32Array, u32) {
        let at = self.exports.number_address() / size_of::<i32>();
        (Int32Array::new(&self.memory.buffer()), at as u32)
    }

    fn wake(&self) {
        let (words, at) = self.word();
        // Without the others it only takes longer.
        let _ = Atomics::notify(&words, at);
    }

    /// Waits for what helpers took; false where one takes too long.
    fn is_finished(&self) -> bool {
        let (words, at) = self.word();
        let start_millis = Date::now();
        loop {
            if (0..N_LOOKS).any(|_| self.exports.n_unfinished() == 0) {
                return true;
            }
            if PATIENCE_MILLIS < Date::now() - start_millis {
                return false;
            }
            // Not for a value: to let a helper run where there are fewer cores than threads.
            let value = Atomics::load(&words, at).unwrap_or(0);
            let _ = Atomics::wait_with_timeout(&words, at, value, 1.0);
        }
    }

    /// A helper took a chunk and went: there are no helpers from now on.
    fn give_helpers_up(&self, end: usize) {
        self.opened.close();
        self.n_threads.set(1);
        self.is_helper_lost.set(true);
        // Should it still run for a moment, it writes where nothing will ever be.
        self.layout.borrow_mut().give_up(end);
        web_sys::console::warn_1(&"A kernel thread did not answer; the engine goes on with one.".into());
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.adapter())
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.opened.close();
    }
}

/// A packed weight in the memory of a kernel; its place is free again when it goes.
#[derive(Debug)]
pub struct Block {
    kernel: Rc<Kernel>,
    start: usize,
    len: usize,
}

impl Block {
    /// Zeros are only written where a last panel is filled up with them.
    pub(in crate::backend::cpu) fn new(
        kernel: &Rc<Kernel>,
        k: usize,
        n: usize,
    ) -> Result<Self, BackendError> {
        let len = packed_len(k, n);
        let start = kernel.layout.borrow_mut().take(len * F32_BYTES);
        let block = Self { kernel: Rc::clone(kernel), start, len };
        kernel.reach(start + len * F32_BYTES)?;
        if !n.is_multiple_of(PANEL) {
            block.write(len - k * PANEL, &vec![0.0; k * PANEL]);
        }
        Ok(block)
    }

    fn write(&self, at: usize, values: &[f32]) {
        self.kernel.view(self.start + at * F32_BYTES, values.len()).copy_from(values);
    }

    /// Rows `first..`: a run of them in each panel.
    pub(in crate::backend::cpu) fn fill_rows(&self, k: usize, n: usize, first: usize, rows: &[f32]) {
        let n_rows = rows.len() / n.max(1);
        let mut run = vec![0.0; n_rows * PANEL];
        for (panel, column) in (0..n).step_by(PANEL).enumerate() {
            let width = PANEL.min(n - column);
            for (to, row) in run.chunks_exact_mut(PANEL).zip(rows.chunks_exact(n)) {
                to[..width].copy_from_slice(&row[column..column + width]);
                to[width..].fill(0.0);
            }
            self.write((panel * k + first) * PANEL, &run);
        }
    }

    /// Columns `first..`: panel by panel; of one that is not covered whole, the rest stays.
    pub(in crate::backend::cpu) fn fill_columns(&self, k: usize, n: usize, first: usize, columns: &[f32]) {
        let end = first + columns.len() / k.max(1);
        let mut column = first;
        while column < end {
            let (panel, next) = (column / PANEL, end.min(column / PANEL * PANEL + PANEL));
            let range = panel * k * PANEL..(panel + 1) * k * PANEL;
            let is_whole = column.is_multiple_of(PANEL) && (next.is_multiple_of(PANEL) || next == n);
            let mut values = if is_whole { vec![0.0; k * PANEL] } else { self.part(range.clone()) };
            for at in column..next {
                let from = &columns[(at - first) * k..][..k];
                let to = values.iter_mut().skip(at % PANEL).step_by(PANEL);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
            self.write(range.start, &values);
            column = next;
        }
    }

    pub(in crate::backend::cpu) fn part(&self, range: Range<usize>) -> Vec<f32> {
        self.kernel.view(self.start + range.start * F32_BYTES, range.len()).to_vec()
    }

    pub(in crate::backend::cpu) fn times(
        &self,
        dims: Dims,
        a: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Vec<f32>, BackendError> {
        let product = Product { is_transposed: false, dims, n_in: dims.k, n_out: dims.n, bias };
        self.kernel.multiply(&product, a, self)
    }

    pub(in crate::backend::cpu) fn times_t(&self, dims: Dims, a: &[f32]) -> Result<Vec<f32>, BackendError> {
        let product = Product { is_transposed: true, dims, n_in: dims.n, n_out: dims.k, bias: None };
        self.kernel.multiply(&product, a, self)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.kernel.layout.borrow_mut().give(self.start, self.len * F32_BYTES);
    }
}
