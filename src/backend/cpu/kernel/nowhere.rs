//! Natively there is no kernel module: nothing of these types can exist.

use std::{ops::Range, rc::Rc};

use vitrine_kernel::Dims;

use crate::{
    backend::{
        BackendError,
        cpu::{Place, Values},
    },
    op::Activation,
};

/// The kernel module.
#[derive(Debug)]
pub enum Kernel {}

/// Values in its memory.
#[derive(Debug)]
pub enum Region {}

/// A packed weight there.
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
        _a: &Values<f32>,
        _bias: Option<&Values<f32>>,
    ) -> Result<Region, BackendError> {
        match *self {}
    }

    pub(in crate::backend::cpu) fn times_t(
        &self,
        _dims: Dims,
        _a: &Values<f32>,
    ) -> Result<Region, BackendError> {
        match *self {}
    }
}

impl Place<f32> for Region {
    fn put(kernel: &Rc<Kernel>, _values: &[f32]) -> Result<Option<Self>, BackendError> {
        match **kernel {}
    }

    fn copied(&self) -> Result<Self, BackendError> {
        match *self {}
    }

    fn n_values(&self) -> usize {
        match *self {}
    }

    fn to_vec(&self) -> Vec<f32> {
        match *self {}
    }

    fn activate(&mut self, _activation: Activation) {
        match *self {}
    }

    fn standings(&self, _d: usize, _chosen: &[u32]) -> Result<Vec<f32>, BackendError> {
        match *self {}
    }

    fn top_k(&self, _d: usize, _k: usize) -> Result<Vec<f32>, BackendError> {
        match *self {}
    }
}
