//! Attention of several sequences at once: two kernels, however many there are.

use super::{
    Backend as _, Tensor, WebGpu,
    graph::GpuTensor,
    heads_of,
    program::{Heads, Op},
    window_of,
};
use crate::{backend::Sequence, op::Scoring};

/// A pattern of more entries is made a part of the sequences at a time: half of the smallest binding.
const MAX_PATTERN: usize = 1 << 24;

impl WebGpu {
    /// Keys and values are `[base, own]`.
    pub(super) fn sequences(
        &self,
        q: &GpuTensor,
        keys_and_values: [[&GpuTensor; 2]; 2],
        sequences: &[Sequence],
        scoring: Scoring,
    ) -> Tensor {
        let n_heads = q.shape()[1];
        let mut parts = vec![];
        for part in parts_of(sequences, MAX_PATTERN / n_heads.max(1)) {
            let n_rows = part.iter().map(|sequence| sequence.len).sum();
            let start = part.first().map_or(0, |sequence| sequence.start);
            let rows = |x: &GpuTensor| self.rows(x, start, n_rows);
            let [[base_k, own_k], [base_v, own_v]] = keys_and_values;
            let (k, v) = ([base_k, &rows(own_k)?], [base_v, &rows(own_v)?]);
            parts.push(self.part(&rows(q)?, k, v, (part, start), scoring));
        }
        self.concat(&parts)
    }

    /// Sequences whose rows are all there are; `start` is what the first was among more.
    fn part(
        &self,
        q: &GpuTensor,
        [base_k, own_k]: [&GpuTensor; 2],
        [base_v, own_v]: [&GpuTensor; 2],
        (sequences, start): (&[Sequence], usize),
        scoring: Scoring,
    ) -> GpuTensor {
        let heads = Heads { n_k: n_keys(sequences), ..heads_of(q, own_k) };
        let Heads { n_q, n_heads, .. } = heads;
        let of_one = |sequence: &Sequence| {
            [sequence.n_past as u32, (sequence.start - start) as u32].repeat(sequence.len)
        };
        let rows: Vec<u32> = sequences.iter().flat_map(of_one).collect();
        let op = Op::SequencesPattern { heads, scale: scoring.scale.into(), window: window_of(scoring) };
        let shape = vec![n_q, n_heads, heads.n_k];
        let pattern = GpuTensor::with_rows(self.nth(), op, &[q, base_k, own_k], &rows, shape);
        let op = Op::SequencesMix(heads);
        GpuTensor::with_rows(self.nth(), op, &[&pattern, base_v, own_v], &rows, q.shape().to_vec())
    }
}

/// Keys of the longest sequence.
fn n_keys(sequences: &[Sequence]) -> usize {
    sequences.iter().map(|sequence| sequence.n_past + sequence.len).max().unwrap_or(0)
}

/// Neighbouring sequences whose rows times keys are at most `most`, or one alone.
fn parts_of(sequences: &[Sequence], most: usize) -> Vec<&[Sequence]> {
    let (mut parts, mut rest) = (vec![], sequences);
    while !rest.is_empty() {
        let fits = |n: usize| {
            rest[..n].iter().map(|sequence| sequence.len).sum::<usize>() * n_keys(&rest[..n]) <= most
        };
        let n = (1..=rest.len()).take_while(|n| fits(*n)).last().unwrap_or(1);
        let (part, others) = rest.split_at(n);
        parts.push(part);
        rest = others;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_long_as_they_may_be_and_lose_nothing() {
        let sequence = |start, len, n_past| Sequence { start, len, n_past };
        let all = [sequence(0, 2, 0), sequence(2, 2, 1), sequence(4, 1, 9), sequence(5, 3, 0)];
        for (most, want) in
            [(0, vec![1, 1, 1, 1]), (12, vec![2, 1, 1]), (39, vec![2, 1, 1]), (40, vec![2, 2]), (80, vec![4])]
        {
            let parts = parts_of(&all, most);
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), want, "{most}");
            assert_eq!(parts.concat(), all);
        }
        assert!(parts_of(&[], 9).is_empty());
    }
}
