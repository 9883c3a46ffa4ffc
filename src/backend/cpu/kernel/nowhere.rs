//! Natively there is no kernel module: nothing of these types can exist.

use std::{ops::Range, rc::Rc};

use vitrine_kernel::Dims;

use crate::backend::BackendError;

/// The kernel module.
#[derive(Debug)]
pub enum Kernel {}

/// A packed weight in its memory.
#[derive(Debug)]
pub enum Block {}

impl Kernel {
    pub(in crate::backend::cpu) fn adapter(&self) -> String {
        match *self {}
    }

    pub(in crate::backend::cpu) fn n_threads(&self) -> usize {
        match *self {}
    }
}

impl Block {
    pub(in crate::backend::cpu) fn new(
        kernel: &Rc<Kernel>,
        _k: usize,
        _n: usize,
    ) -> Result<Self, BackendError> {
        match **kernel {}
    }

    pub(in crate::backend::cpu) fn fill_rows(&self, _k: usize, _n: usize, _first: usize, _rows: &[f32]) {
        match *self {}
    }

    pub(in crate::backend::cpu) fn fill_columns(
        &self,
        _k: usize,
        _n: usize,
        _first: usize,
        _columns: &[f32],
    ) {
        match *self {}
    }

    pub(in crate::backend::cpu) fn part(&self, _range: Range<usize>) -> Vec<f32> {
        match *self {}
    }

    pub(in crate::backend::cpu) fn times(
        &self,
        _dims: Dims,
        _a: &[f32],
        _bias: Option<&[f32]>,
    ) -> Result<Vec<f32>, BackendError> {
        match *self {}
    }

    pub(in crate::backend::cpu) fn times_t(&self, _dims: Dims, _a: &[f32]) -> Result<Vec<f32>, BackendError> {
        match *self {}
    }
}
