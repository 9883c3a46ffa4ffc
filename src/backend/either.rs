//! One of two backends, chosen at run time.
//!
//! What is generic over a backend is compiled once for each that it is used with. Where a program has two, and chooses
//! between them while it runs, this makes them one: an engine for both weighs half of two engines.

use super::{Backend, BackendError, BackendReport, DeviceFault, Measuring, Sequence};
use crate::{
    op::{Activation, MatrixAxes, NormKind, Scoring},
    tensor::{Dtype, HostTensor},
};

mod backward;

/// One of two backends, or what belongs to one of them: a tensor, a weight.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// The first, or of the first.
    Left(A),
    /// The second, or of the second.
    Right(B),
}

/// Operands as the first backend knows them.
mod left {
    use super::{BackendError, Either, elsewhere};

    pub(super) fn of<A, B>(x: &Either<A, B>) -> Result<&A, BackendError> {
        if let Either::Left(x) = x { Ok(x) } else { Err(elsewhere()) }
    }

    pub(super) fn take<A, B>(x: Either<A, B>) -> Result<A, BackendError> {
        if let Either::Left(x) = x { Ok(x) } else { Err(elsewhere()) }
    }

    pub(super) fn in_place<A, B>(x: &mut Either<A, B>) -> Result<&mut A, BackendError> {
        if let Either::Left(x) = x { Ok(x) } else { Err(elsewhere()) }
    }
}

/// Operands as the second backend knows them.
mod right {
    use super::{BackendError, Either, elsewhere};

    pub(super) fn of<A, B>(x: &Either<A, B>) -> Result<&B, BackendError> {
        if let Either::Right(x) = x { Ok(x) } else { Err(elsewhere()) }
    }

    pub(super) fn take<A, B>(x: Either<A, B>) -> Result<B, BackendError> {
        if let Either::Right(x) = x { Ok(x) } else { Err(elsewhere()) }
    }

    pub(super) fn in_place<A, B>(x: &mut Either<A, B>) -> Result<&mut B, BackendError> {
        if let Either::Right(x) = x { Ok(x) } else { Err(elsewhere()) }
    }
}

/// An operand of the one backend was given to the other.
fn elsewhere() -> BackendError {
    BackendError::Device {
        backend: "either",
        fault: DeviceFault::Invalid,
        message: "an operand is on another backend".to_owned(),
    }
}

/// Calls whichever backend there is; `of`, `take` and `in_place` give its operands.
macro_rules! whichever {
    ($self:ident, |$b:ident| $call:expr) => {
        match $self {
            #[allow(unused_imports, reason = "not every operation has operands of each kind")]
            Either::Left($b) => {
                use $crate::backend::either::left::{in_place, of, take};
                $call
            }
            #[allow(unused_imports, reason = "not every operation has operands of each kind")]
            Either::Right($b) => {
                use $crate::backend::either::right::{in_place, of, take};
                $call
            }
        }
    };
}

/// The same where the result belongs to the backend.
macro_rules! op {
    ($self:ident, |$b:ident| $call:expr) => {
        match $self {
            #[allow(unused_imports, reason = "not every operation has operands of each kind")]
            Either::Left($b) => {
                use $crate::backend::either::left::{of, take};
                Ok(Either::Left($call?))
            }
            #[allow(unused_imports, reason = "not every operation has operands of each kind")]
            Either::Right($b) => {
                use $crate::backend::either::right::{of, take};
                Ok(Either::Right($call?))
            }
        }
    };
}
use op;

type Tensor<A, B> = Either<<A as Backend>::Tensor, <B as Backend>::Tensor>;
type Matrix<A, B> = Either<<A as Backend>::Matrix, <B as Backend>::Matrix>;
type Op<A, B> = Result<Tensor<A, B>, BackendError>;

impl<A: Backend, B: Backend> Backend for Either<A, B> {
    type Tensor = Tensor<A, B>;
    type Matrix = Matrix<A, B>;
    type Filling = Either<A::Filling, B::Filling>;

    fn name(&self) -> &'static str {
        whichever!(self, |on| on.name())
    }

    fn adapter(&self) -> String {
        whichever!(self, |on| on.adapter())
    }

    fn report(&self) -> BackendReport {
        whichever!(self, |on| on.report())
    }

    fn measure(&self, measuring: Measuring) {
        whichever!(self, |on| on.measure(measuring));
    }

    fn upload(&self, label: &str, host: HostTensor) -> Op<A, B> {
        op!(self, |on| on.upload(label, host))
    }

    fn keeps_16_bits(&self) -> bool {
        whichever!(self, |on| on.keeps_16_bits())
    }

    fn max_value_bytes(&self) -> u64 {
        whichever!(self, |on| on.max_value_bytes())
    }

    fn begin_matrix(
        &self,
        label: &str,
        dtype: Dtype,
        shape: [usize; 2],
        axes: MatrixAxes,
    ) -> Result<Self::Filling, BackendError> {
        op!(self, |on| on.begin_matrix(label, dtype, shape, axes))
    }

    fn fill(&self, filling: &mut Self::Filling, rows: &[u8]) -> Result<(), BackendError> {
        whichever!(self, |on| on.fill(in_place(filling)?, rows))
    }

    fn finish(&self, filling: Self::Filling) -> Result<Matrix<A, B>, BackendError> {
        op!(self, |on| on.finish(take(filling)?))
    }

    async fn read_matrix(&self, w: &Matrix<A, B>) -> Result<HostTensor, BackendError> {
        whichever!(self, |on| on.read_matrix(of(w)?).await)
    }

    /// Of a weight of the other backend nothing, which fits no operand.
    fn matrix_shape(&self, w: &Matrix<A, B>) -> [usize; 2] {
        whichever!(self, |on| of(w).map_or([0, 0], |w| on.matrix_shape(w)))
    }

    fn matrix_bytes(&self, w: &Matrix<A, B>) -> u64 {
        whichever!(self, |on| of(w).map_or(0, |w| on.matrix_bytes(w)))
    }

    async fn read(&self, x: &Tensor<A, B>) -> Result<HostTensor, BackendError> {
        whichever!(self, |on| on.read(of(x)?).await)
    }

    async fn read_all(&self, xs: &[&Tensor<A, B>]) -> Result<Vec<HostTensor>, BackendError> {
        whichever!(self, |on| {
            let xs = xs.iter().map(|x| of(x)).collect::<Result<Vec<_>, _>>()?;
            on.read_all(&xs).await
        })
    }

    async fn take_all(&self, xs: Vec<Tensor<A, B>>) -> Result<Vec<HostTensor>, BackendError> {
        whichever!(self, |on| {
            let xs = xs.into_iter().map(take).collect::<Result<Vec<_>, _>>()?;
            on.take_all(xs).await
        })
    }

    /// Of a tensor of the other backend nothing, which fits no operand.
    fn shape(&self, x: &Tensor<A, B>) -> Vec<usize> {
        whichever!(self, |on| of(x).map_or(vec![], |x| on.shape(x)))
    }

    fn reshape(&self, x: &Tensor<A, B>, shape: &[usize]) -> Op<A, B> {
        op!(self, |on| on.reshape(of(x)?, shape))
    }

    fn gather(&self, table: &Tensor<A, B>, rows: &[u32]) -> Op<A, B> {
        op!(self, |on| on.gather(of(table)?, rows))
    }

    fn columns(&self, w: &Matrix<A, B>, columns: &[u32]) -> Op<A, B> {
        op!(self, |on| on.columns(of(w)?, columns))
    }

    fn append(&self, x: Tensor<A, B>, y: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.append(take(x)?, of(y)?))
    }

    fn add(&self, x: Tensor<A, B>, y: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.add(take(x)?, of(y)?))
    }

    fn scale(&self, x: Tensor<A, B>, by: f32) -> Op<A, B> {
        op!(self, |on| on.scale(take(x)?, by))
    }

    fn repeat_heads(&self, x: &Tensor<A, B>, n_heads: usize) -> Op<A, B> {
        op!(self, |on| on.repeat_heads(of(x)?, n_heads))
    }

    fn norm_scale(&self, x: &Tensor<A, B>, kind: NormKind, eps: f32) -> Op<A, B> {
        op!(self, |on| on.norm_scale(of(x)?, kind, eps))
    }

    fn normalize(&self, x: &Tensor<A, B>, scale: &Tensor<A, B>, kind: NormKind) -> Op<A, B> {
        op!(self, |on| on.normalize(of(x)?, of(scale)?, kind))
    }

    fn affine(&self, x: Tensor<A, B>, w: Option<&Tensor<A, B>>, bias: Option<&Tensor<A, B>>) -> Op<A, B> {
        op!(self, |on| on.affine(take(x)?, w.map(of).transpose()?, bias.map(of).transpose()?))
    }

    fn linear(&self, x: &Tensor<A, B>, w: &Matrix<A, B>, bias: Option<&Tensor<A, B>>) -> Op<A, B> {
        op!(self, |on| on.linear(of(x)?, of(w)?, bias.map(of).transpose()?))
    }

    fn linear_at(
        &self,
        x: &Tensor<A, B>,
        w: &Matrix<A, B>,
        bias: Option<&Tensor<A, B>>,
        columns: &[u32],
    ) -> Op<A, B> {
        op!(self, |on| on.linear_at(of(x)?, of(w)?, bias.map(of).transpose()?, columns))
    }

    fn heads_in(&self, x: &Tensor<A, B>, w: &Matrix<A, B>) -> Op<A, B> {
        op!(self, |on| on.heads_in(of(x)?, of(w)?))
    }

    fn heads_out(&self, z: &Tensor<A, B>, w: &Matrix<A, B>) -> Op<A, B> {
        op!(self, |on| on.heads_out(of(z)?, of(w)?))
    }

    fn sum_heads(&self, x: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.sum_heads(of(x)?))
    }

    fn rotate(&self, x: Tensor<A, B>, turns: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.rotate(take(x)?, of(turns)?))
    }

    fn attn_scores(&self, q: &Tensor<A, B>, k: &Tensor<A, B>, scoring: Scoring) -> Op<A, B> {
        op!(self, |on| on.attn_scores(of(q)?, of(k)?, scoring))
    }

    fn soft_cap(&self, x: Tensor<A, B>, cap: f32) -> Op<A, B> {
        op!(self, |on| on.soft_cap(take(x)?, cap))
    }

    fn softmax(&self, x: Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.softmax(take(x)?))
    }

    fn attn_pattern(&self, q: &Tensor<A, B>, k: &Tensor<A, B>, scoring: Scoring) -> Op<A, B> {
        op!(self, |on| on.attn_pattern(of(q)?, of(k)?, scoring))
    }

    fn attn_mix(&self, pattern: &Tensor<A, B>, v: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.attn_mix(of(pattern)?, of(v)?))
    }

    fn attn_sequences(
        &self,
        q: &Tensor<A, B>,
        k: [&Tensor<A, B>; 2],
        v: [&Tensor<A, B>; 2],
        sequences: &[Sequence],
        scoring: Scoring,
    ) -> Op<A, B> {
        op!(self, |on| on.attn_sequences(
            of(q)?,
            [of(k[0])?, of(k[1])?],
            [of(v[0])?, of(v[1])?],
            sequences,
            scoring
        ))
    }

    fn activate(&self, x: Tensor<A, B>, activation: Activation) -> Op<A, B> {
        op!(self, |on| on.activate(take(x)?, activation))
    }

    fn gated(&self, gate: Tensor<A, B>, up: &Tensor<A, B>, activation: Activation) -> Op<A, B> {
        op!(self, |on| on.gated(take(gate)?, of(up)?, activation))
    }

    fn edit(&self, x: &Tensor<A, B>, keep: &Tensor<A, B>, add: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.edit(of(x)?, of(keep)?, of(add)?))
    }

    fn top_k(&self, x: &Tensor<A, B>, k: usize) -> Op<A, B> {
        op!(self, |on| on.top_k(of(x)?, k))
    }

    fn standings(&self, x: &Tensor<A, B>, chosen: &[u32]) -> Op<A, B> {
        op!(self, |on| on.standings(of(x)?, chosen))
    }

    fn divergence(&self, x: &Tensor<A, B>, from: &Tensor<A, B>) -> Op<A, B> {
        op!(self, |on| on.divergence(of(x)?, of(from)?))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;

    type Two = Either<Cpu<f32>, Cpu<f64>>;

    fn left() -> Two {
        Either::Left(Cpu::default())
    }

    fn right() -> Two {
        Either::Right(Cpu::default())
    }

    #[test]
    fn either_computes_what_its_backend_does() {
        for on in [left(), right()] {
            let x = on.upload("x", HostTensor::full(vec![2, 3], 2.0)).expect("uploads");
            let w =
                on.upload_matrix("w", HostTensor::full(vec![3, 4], 0.5), MatrixAxes::InOut).expect("uploads");
            let y = on.linear(&x, &w, None).expect("fits");
            assert_eq!(on.shape(&y), [2, 4]);
            let sum = on.add(y.clone(), &y).expect("fits");
            let values = pollster::block_on(on.take_all(vec![y, sum])).expect("reads");
            assert_eq!([values[0].data(), values[1].data()], [&[3.0; 8], &[6.0; 8]]);
        }
    }

    #[test]
    fn what_a_backend_says_of_itself_is_handed_on() {
        for on in [left(), right()] {
            let own = Cpu::<f32>::default();
            assert_eq!(on.keeps_16_bits(), own.keeps_16_bits());
            assert_eq!(on.max_value_bytes(), own.max_value_bytes());
            assert_eq!(on.name(), own.name());
        }
    }

    #[test]
    fn an_operand_of_the_other_backend_is_refused() {
        let here = left().upload("x", HostTensor::full(vec![2], 1.0)).expect("uploads");
        let there = right().upload("x", HostTensor::full(vec![2], 1.0)).expect("uploads");
        assert!(left().add(here.clone(), &here).is_ok());
        for (on, x, y) in [(left(), &here, &there), (left(), &there, &here), (right(), &here, &here)] {
            assert!(matches!(
                on.add(x.clone(), y),
                Err(BackendError::Device { fault: DeviceFault::Invalid, .. })
            ));
        }
        assert!(left().shape(&there).is_empty());
    }
}
