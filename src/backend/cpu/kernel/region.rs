//! A place in the kernel module's memory, free again when it goes.

use std::{fmt, ops::Range, rc::Rc};

use js_sys::{Float32Array, Uint32Array};
use vitrine_kernel::top_k_scratch_len;

use super::browser::Kernel;
use crate::{
    backend::{BackendError, cpu::Place},
    op::Activation,
};

const F32_BYTES: usize = size_of::<f32>();

/// Values there.
pub struct Region {
    kernel: Rc<Kernel>,
    start: usize,
    len: usize,
}

impl Region {
    /// Whatever was there before.
    ///
    /// Errors: no memory for them.
    pub(super) fn take(kernel: &Rc<Kernel>, n_rows: usize, row_len: usize) -> Result<Self, BackendError> {
        let len = n_rows.checked_mul(row_len);
        let n_bytes = len.and_then(|len| len.checked_mul(F32_BYTES));
        let start = n_bytes.and_then(|n_bytes| kernel.layout.borrow_mut().take(n_bytes));
        let (Some(len), Some(start)) = (len, start) else { return Err(Kernel::too_small(1 << 32)) };
        let region = Self { kernel: Rc::clone(kernel), start, len };
        kernel.reach(start + len * F32_BYTES)?;
        Ok(region)
    }

    pub(super) fn kernel(&self) -> &Rc<Kernel> {
        &self.kernel
    }

    /// Its address.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Its place is never free again.
    pub(super) fn abandon(mut self) {
        self.len = 0;
    }

    pub(super) fn write(&self, at: usize, values: &[f32]) {
        self.view(at..at + values.len()).copy_from(values);
    }

    pub(super) fn read(&self, range: Range<usize>) -> Vec<f32> {
        self.view(range).to_vec()
    }

    fn view(&self, range: Range<usize>) -> Float32Array {
        debug_assert!(range.end <= self.len, "a view stays in its place");
        // Asked for anew each time: a memory that grew has another buffer.
        let (start, len) = (self.start + range.start * F32_BYTES, range.len() as u32);
        Float32Array::new_with_byte_offset_and_length(&self.kernel.memory.buffer(), start as u32, len)
    }
}

impl Place<f32> for Region {
    fn put(kernel: &Rc<Kernel>, values: &[f32]) -> Result<Option<Self>, BackendError> {
        let region = Self::take(kernel, 1, values.len())?;
        region.write(0, values);
        Ok(Some(region))
    }

    fn copied(&self) -> Result<Self, BackendError> {
        let copy = Self::take(&self.kernel, 1, self.len)?;
        copy.view(0..self.len).set(&self.view(0..self.len), 0);
        Ok(copy)
    }

    fn n_values(&self) -> usize {
        self.len
    }

    fn to_vec(&self) -> Vec<f32> {
        self.read(0..self.len)
    }

    fn activate(&mut self, activation: Activation) {
        let number = match activation {
            Activation::GeluNew => 0,
            Activation::Gelu => 1,
            Activation::Silu => 2,
            Activation::Relu => 3,
        };
        self.kernel.exports.activate(number, self.start, self.len);
    }

    fn standings(&self, d: usize, chosen: &[u32]) -> Result<Vec<f32>, BackendError> {
        let ids = Self::take(&self.kernel, 1, chosen.len())?;
        let result = Self::take(&self.kernel, chosen.len(), 4)?;
        let (start, len) = (ids.start as u32, chosen.len() as u32);
        Uint32Array::new_with_byte_offset_and_length(&self.kernel.memory.buffer(), start, len)
            .copy_from(chosen);
        self.kernel.exports.standings(self.start, chosen.len(), d, ids.start, result.start);
        Ok(result.to_vec())
    }

    fn top_k(&self, d: usize, k: usize) -> Result<Vec<f32>, BackendError> {
        let n_rows = self.len.checked_div(d).unwrap_or(0);
        let keys = Self::take(&self.kernel, top_k_scratch_len(k), 2)?; // of 64 bits
        let result = Self::take(&self.kernel, n_rows, 2 * k)?;
        self.kernel.exports.top_k(self.start, n_rows, d, k, keys.start, result.start);
        Ok(result.to_vec())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values at {}", self.len, self.start)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.kernel.layout.borrow_mut().give(self.start, self.len * F32_BYTES);
    }
}
