//! Comparing values: shape first, finiteness second, and then `!(err <= tol)`, so that NaN fails.

use std::fmt;

use vitrine::tensor::{HostTensor, row_major_strides};

/// How far a value may be from its golden twin, absolute or relative to it.
///
/// make.py asserts that f32 rounding moves no golden value by more than a tenth of it.
pub(crate) const GOLDEN_TOL: f32 = 1e-4;

/// How two values of one hook point differ.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Divergence {
    Shape { at: String, got: Vec<usize>, want: Vec<usize> },
    Value { at: String, index: Vec<usize>, got: f32, want: f32, why: String },
}

/// Passes where |got - want| <= tol * max(1, |want|).
///
/// Masked attention scores are the one place for `-inf`, and then both sides have it at the same entries.
pub(crate) fn compare(at: &str, got: &HostTensor, want: &HostTensor, tol: f32) -> Result<(), Divergence> {
    if got.shape() != want.shape() {
        let (got, want) = (got.shape().to_vec(), want.shape().to_vec());
        return Err(Divergence::Shape { at: at.to_owned(), got, want });
    }
    let diverges = |entry: usize, why: String| Divergence::Value {
        at: at.to_owned(),
        index: index_of(entry, want.shape()),
        got: got.data()[entry],
        want: want.data()[entry],
        why,
    };
    let may_be_masked = at.ends_with("hook_attn_scores");
    let mut worst = (0, 0.0_f32);
    for (entry, (&got, &want)) in got.data().iter().zip(want.data()).enumerate() {
        if may_be_masked && got == f32::NEG_INFINITY && want == f32::NEG_INFINITY {
            continue;
        }
        if !got.is_finite() || !want.is_finite() {
            return Err(diverges(entry, "not finite".to_owned()));
        }
        let err = (got - want).abs() / want.abs().max(1.0);
        if err.total_cmp(&worst.1).is_gt() {
            worst = (entry, err);
        }
    }
    let (entry, err) = worst;
    #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "an error of NaN must not pass")]
    if !(err <= tol) {
        return Err(diverges(entry, format!("error {err:.3e}, tolerance {tol:.0e}")));
    }
    Ok(())
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { at, got, want } => write!(f, "{at}: shape {got:?}, want {want:?}"),
            Self::Value { at, index, got, want, why } => {
                write!(f, "{at}{index:?}: got {got:?}, want {want:?} ({why})")
            }
        }
    }
}

fn index_of(entry: usize, shape: &[usize]) -> Vec<usize> {
    row_major_strides(shape).iter().zip(shape).map(|(stride, len)| entry / stride % len).collect()
}

const SCORES: &str = "blocks.0.attn.hook_attn_scores";
const Z: &str = "blocks.0.attn.hook_z";

fn tensor(shape: &[usize], data: &[f32]) -> HostTensor {
    HostTensor::new(shape.to_vec(), data.to_vec()).expect("the test's own shape")
}

fn why(at: &str, got: &HostTensor, want: &HostTensor) -> String {
    compare(at, got, want, GOLDEN_TOL).expect_err("a planted error").to_string()
}

#[test]
fn equal_values_pass() {
    let value = tensor(&[2, 2], &[1.0, -2.0, 3.0, 1e6]);
    assert_eq!(compare(Z, &value, &value, 0.0), Ok(()));
    let rounded = tensor(&[2, 2], &[1.000_05, -2.0, 3.0, 1_000_050.0]);
    assert_eq!(compare(Z, &rounded, &value, GOLDEN_TOL), Ok(()));
}

#[test]
fn planted_errors_fail() {
    let want = tensor(&[2, 2], &[1.0, -2.0, 3.0, 4.0]);
    let nan = tensor(&[2, 2], &[1.0, f32::NAN, 3.0, 4.0]);
    let infinite = tensor(&[2, 2], &[1.0, f32::NEG_INFINITY, 3.0, 4.0]);
    let swapped = tensor(&[2, 2], &[1.0, 3.0, -2.0, 4.0]);
    let nudged = tensor(&[2, 2], &[1.0, -2.0, 3.0, 4.001]);
    let reshaped = tensor(&[4], want.data());
    assert!(why(Z, &nan, &want).contains("not finite"));
    assert!(why(Z, &nan, &nan).contains("not finite"));
    assert!(why(Z, &infinite, &infinite).contains("not finite"));
    assert!(why(Z, &swapped, &want).contains("hook_z[0, 1]: got 3.0, want -2.0"));
    assert!(why(Z, &nudged, &want).contains("hook_z[1, 1]: got 4.001, want 4.0"));
    assert!(why(Z, &reshaped, &want).contains("shape [4], want [2, 2]"));
}

#[test]
fn scores_may_be_masked_at_the_same_entries_only() {
    let want = tensor(&[1, 2, 2], &[1.0, f32::NEG_INFINITY, 3.0, 4.0]);
    let unmasked = tensor(&[1, 2, 2], &[1.0, -1e30, 3.0, 4.0]);
    let moved = tensor(&[1, 2, 2], &[1.0, 2.0, f32::NEG_INFINITY, 4.0]);
    let infinite = tensor(&[1, 2, 2], &[1.0, f32::INFINITY, 3.0, 4.0]);
    assert_eq!(compare(SCORES, &want, &want, GOLDEN_TOL), Ok(()));
    for wrong in [unmasked, moved, infinite] {
        assert!(why(SCORES, &wrong, &want).contains("[0, 0, 1]"));
    }
}
