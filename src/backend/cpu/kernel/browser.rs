//! The kernel module, called from the engine's.
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

use js_sys::{Atomics, Date, Function, Int32Array, Promise, Reflect, WebAssembly::Memory};
use vitrine_kernel::{Dims, PANEL, packed_len};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::{layout::Layout, region::Region};
use crate::backend::{BackendError, DeviceFault, cpu::Values};

/// Rows that are multiplied at once: enough that reading the weights takes little beside it.
const N_ROWS: usize = 256;
/// A product with fewer multiplications is done before a helper wakes.
const MIN_SHARED: u64 = 1 << 18;
/// Chunks a thread: enough that none waits long for the last.
const CHUNKS_PER_THREAD: usize = 16;
/// A line of a cache has 64 bytes.
const PANELS_A_LINE: usize = 64 / (PANEL * size_of::<f32>());
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
    pub(super) type Exports;
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
    pub(super) fn activate(this: &Exports, number: u32, at: usize, len: usize);
    #[wasm_bindgen(method)]
    pub(super) fn standings(this: &Exports, at: usize, n_rows: usize, d: usize, chosen: usize, to: usize);
    #[wasm_bindgen(method)]
    pub(super) fn top_k(this: &Exports, at: usize, n_rows: usize, d: usize, k: usize, keys: usize, to: usize);
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
    pub(super) exports: Exports,
    pub(super) memory: Memory,
    pub(super) layout: RefCell<Layout>,
    n_threads: Cell<usize>,
    is_helper_lost: Cell<bool>,
}

/// Which of the two products, and where it is.
#[derive(Clone, Copy)]
struct Product {
    is_transposed: bool,
    dims: Dims,
    a: usize,
    b: usize,
    /// 0 for none.
    bias: usize,
    c: usize,
}

impl Product {
    /// Values of a row, on the left and in the result.
    fn row_lens(&self) -> [usize; 2] {
        let Dims { n, k, .. } = self.dims;
        if self.is_transposed { [n, k] } else { [k, n] }
    }
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
    pub(super) fn reach(&self, end: usize) -> Result<(), BackendError> {
        if self.opened.reach(end) {
            return Ok(());
        }
        Err(Self::too_small(end as u64))
    }

    /// There are no `n_bytes`.
    pub(super) fn too_small(n_bytes: u64) -> BackendError {
        BackendError::Device {
            backend: "cpu",
            fault: DeviceFault::OutOfMemory,
            message: format!(
                "this browser gives the kernels no {} MB of memory",
                n_bytes.div_ceil(1_000_000)
            ),
        }
    }

    /// Computes a product, some rows at a time; false where a helper does not finish.
    fn is_computed(&self, product: Product) -> bool {
        let [n_in, n_out] = product.row_lens();
        (0..product.dims.m).step_by(N_ROWS).all(|first| {
            let dims = Dims { m: N_ROWS.min(product.dims.m - first), ..product.dims };
            let (a, c) = (product.a + first * n_in * F32_BYTES, product.c + first * n_out * F32_BYTES);
            self.are_rows_computed(Product { dims, a, c, ..product })
        })
    }

    fn are_rows_computed(&self, product: Product) -> bool {
        let Product { is_transposed, dims: Dims { m, n, k }, a, b, bias, c } = product;
        let n_panels = product.row_lens()[1].div_ceil(PANEL);
        let n_products = [n, k].into_iter().fold(m as u64, |all, n| all * n as u64);
        let is_shared = 1 < self.n_threads.get() && MIN_SHARED <= n_products;
        let chunk = if is_shared { self.chunk(n_panels) } else { n_panels.max(1) };
        self.exports.begin(u32::from(is_transposed), m, n, k, a, b, bias, c, chunk);
        if is_shared {
            self.wake();
        }
        // A helper that is still awake may have taken even the only chunk.
        self.exports.work() == 0 || self.is_finished()
    }

    /// Panels in a chunk.
    fn chunk(&self, n_panels: usize) -> usize {
        let n_chunks = (self.n_threads.get() * CHUNKS_PER_THREAD).min(MAX_CHUNKS);
        // Rounded up, so that there are never more chunks than can be counted, and to whole lines of a cache: two threads
        // that write into one line wait for each other.
        n_panels.div_ceil(n_chunks).next_multiple_of(PANELS_A_LINE)
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
    fn give_helpers_up(&self) {
        self.opened.close();
        self.n_threads.set(1);
        self.is_helper_lost.set(true);
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

/// A packed weight in the memory of a kernel.
#[derive(Debug)]
pub struct Block(Region);

impl Block {
    /// Zeros are only written where a last panel is filled up with them.
    pub(in crate::backend::cpu) fn new(
        kernel: &Rc<Kernel>,
        k: usize,
        n: usize,
    ) -> Result<Self, BackendError> {
        let len = packed_len(k, n);
        let region = Region::take(kernel, 1, len)?;
        if !n.is_multiple_of(PANEL) {
            region.write(len - k * PANEL, &vec![0.0; k * PANEL]);
        }
        Ok(Self(region))
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
            self.0.write((panel * k + first) * PANEL, &run);
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
            self.0.write(range.start, &values);
            column = next;
        }
    }

    pub(in crate::backend::cpu) fn part(&self, range: Range<usize>) -> Vec<f32> {
        self.0.read(range)
    }

    pub(in crate::backend::cpu) fn times(
        &self,
        dims: Dims,
        a: &Values<f32>,
        bias: Option<&Values<f32>>,
    ) -> Result<Region, BackendError> {
        let bias = bias.map(|bias| self.place(bias)).transpose()?;
        self.multiply(false, dims, a, bias.unwrap_or(0))
    }

    pub(in crate::backend::cpu) fn times_t(
        &self,
        dims: Dims,
        a: &Values<f32>,
    ) -> Result<Region, BackendError> {
        self.multiply(true, dims, a, 0)
    }

    fn multiply(
        &self,
        is_transposed: bool,
        dims: Dims,
        a: &Values<f32>,
        bias: usize,
    ) -> Result<Region, BackendError> {
        let kernel = self.0.kernel();
        let mut product = Product { is_transposed, dims, a: self.place(a)?, b: self.0.start(), bias, c: 0 };
        loop {
            let result = Region::take(kernel, dims.m, product.row_lens()[1])?;
            product.c = result.start();
            if kernel.is_computed(product) {
                return Ok(result);
            }
            kernel.give_helpers_up();
            // Should the helper still run for a moment, it writes where nothing will ever be.
            result.abandon();
        }
    }

    /// Where values are for the kernel that this weight is in.
    fn place(&self, values: &Values<f32>) -> Result<usize, BackendError> {
        let place = values.place(Some(self.0.kernel()))?;
        Ok(place.expect("kernels compute in f32").start())
    }
}
