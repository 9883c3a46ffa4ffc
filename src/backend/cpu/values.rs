//! The values of a tensor: in this memory, in the kernel module's, or in both.

use std::{cell::OnceCell, convert::Infallible, fmt::Debug, ops::Deref, rc::Rc};

use super::{Kernel, Real};
use crate::{backend::BackendError, op::Activation};

/// Values in the kernel module's memory, and what is computed there.
pub trait Place<R>: Sized + Debug {
    /// Copies values to there; nothing in a precision that the kernels have not.
    ///
    /// Errors: no memory for them.
    fn put(kernel: &Rc<Kernel>, values: &[R]) -> Result<Option<Self>, BackendError>;

    /// The same values in another place there.
    ///
    /// Errors: no memory for them.
    fn copied(&self) -> Result<Self, BackendError>;

    /// How many there are.
    fn n_values(&self) -> usize;

    /// Copies them to here.
    fn to_vec(&self) -> Vec<R>;

    /// A non-linearity, in place.
    fn activate(&mut self, activation: Activation);

    /// [`standings`](super::Backend::standings) of rows of `d`. `[n 4]`
    ///
    /// Errors: no memory to work in.
    fn standings(&self, d: usize, chosen: &[u32]) -> Result<Vec<R>, BackendError>;

    /// [`top_k`](super::Backend::top_k) of rows of `d`. `[n k 2]`
    ///
    /// Errors: no memory to work in.
    fn top_k(&self, d: usize, k: usize) -> Result<Vec<R>, BackendError>;
}

/// Copied from one memory to the other when somebody there needs them, and only once: a product is often followed by
/// something that is computed there as well.
#[derive(Debug)]
pub struct Values<R: Real> {
    here: OnceCell<Vec<R>>,
    there: OnceCell<R::Place>, // one of the two is there
}

impl<R: Real> Values<R> {
    /// What the kernel computed.
    pub(super) fn there(place: R::Place) -> Self {
        Self { here: OnceCell::new(), there: place.into() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let there = || self.there.get().map_or(0, Place::n_values);
        self.here.get().map_or_else(there, Vec::len)
    }

    /// Where they are for the kernel; nothing without one, or in another precision than it has.
    ///
    /// Errors: no memory for them.
    pub(super) fn place(&self, kernel: Option<&Rc<Kernel>>) -> Result<Option<&R::Place>, BackendError> {
        if self.there.get().is_none()
            && let Some(kernel) = kernel
            && let Some(place) = R::Place::put(kernel, self)?
        {
            let _ = self.there.set(place); // It was empty.
        }
        Ok(self.there.get())
    }

    /// A place that nobody else holds, or the values back where [`place`](Self::place) is nothing.
    ///
    /// Errors: no memory for it.
    pub(super) fn into_place(
        self: Rc<Self>,
        kernel: Option<&Rc<Kernel>>,
    ) -> Result<Result<R::Place, Rc<Self>>, BackendError> {
        if self.place(kernel)?.is_none() {
            return Ok(Err(self));
        }
        let copied = |shared: Rc<Self>| shared.there.get().map(Place::copied).transpose();
        let place = match Rc::try_unwrap(self) {
            Ok(values) => values.there.into_inner(),
            Err(shared) => copied(shared)?,
        };
        Ok(Ok(place.expect("it was just found")))
    }

    /// The values, without a copy where nobody else holds them here.
    pub(super) fn into_vec(self: Rc<Self>) -> Vec<R> {
        match Rc::try_unwrap(self) {
            Ok(Self { here, there }) => {
                here.into_inner().unwrap_or_else(|| there.get().map_or_else(Vec::new, Place::to_vec))
            }
            Err(shared) => shared.to_vec(),
        }
    }
}

impl<R: Real> From<Vec<R>> for Values<R> {
    fn from(values: Vec<R>) -> Self {
        Self { here: values.into(), there: OnceCell::new() }
    }
}

impl<R: Real> Deref for Values<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        self.here.get_or_init(|| self.there.get().map_or_else(Vec::new, Place::to_vec))
    }
}

/// In f64 everything is here.
impl Place<f64> for Infallible {
    fn put(_kernel: &Rc<Kernel>, _values: &[f64]) -> Result<Option<Self>, BackendError> {
        Ok(None)
    }

    fn copied(&self) -> Result<Self, BackendError> {
        match *self {}
    }

    fn n_values(&self) -> usize {
        match *self {}
    }

    fn to_vec(&self) -> Vec<f64> {
        match *self {}
    }

    fn activate(&mut self, _activation: Activation) {
        match *self {}
    }

    fn standings(&self, _d: usize, _chosen: &[u32]) -> Result<Vec<f64>, BackendError> {
        match *self {}
    }

    fn top_k(&self, _d: usize, _k: usize) -> Result<Vec<f64>, BackendError> {
        match *self {}
    }
}
