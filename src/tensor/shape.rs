//! Where shape errors are born.

use std::fmt;

/// An array did not have the shape that an operation needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{op}: expected shape {}, got {}", Brackets(expected), Brackets(got))]
pub struct ShapeMismatch {
    /// The operation or tensor name that found it.
    pub op: String,
    /// What was needed.
    pub expected: Vec<usize>,
    /// What was there.
    pub got: Vec<usize>,
}

impl ShapeMismatch {
    /// For operation `op`.
    pub fn new(op: impl Into<String>, expected: Vec<usize>, got: Vec<usize>) -> Self {
        Self { op: op.into(), expected, got }
    }

    /// `Ok` if the shapes are equal.
    pub fn check(op: &str, expected: &[usize], got: &[usize]) -> Result<(), Self> {
        if expected == got {
            return Ok(());
        }
        Err(Self::new(op, expected.to_vec(), got.to_vec()))
    }
}

/// Shows a shape as in prose: `[36 108]`.
struct Brackets<'a>(&'a [usize]);

impl fmt::Display for Brackets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.0.iter().map(usize::to_string).collect();
        write!(f, "[{}]", axes.join(" "))
    }
}

/// Number of elements of `shape`, or `None` if it overflows.
pub fn n_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, axis| n.checked_mul(*axis))
}

/// How many elements one step along each axis skips.
pub fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_shapes_as_in_prose() {
        let error = ShapeMismatch::new("linear", vec![36, 108], vec![36]);
        assert_eq!(error.to_string(), "linear: expected shape [36 108], got [36]");
    }

    #[test]
    fn strides_are_row_major() {
        assert_eq!(row_major_strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(row_major_strides(&[]), [0_usize; 0]);
    }
}
