//! The form of a program: what a plan is made for. Programs that only have more keys than another share one.
//!
//! While a prompt is continued, each token adds a key; a plan with room for the next power of two serves them all, since
//! sizes are parameters of kernels. Pure.

use super::program::{Heads, Id, Op, Program};

/// Up to here all numbers of keys are one form.
const MIN_KEYS: usize = 16;

/// The program with as many keys as its plan has room for.
pub(super) fn form(program: &Program) -> Program {
    let users = program.users();
    let mut form = program.clone();
    for mix in 0..program.values.len() {
        if let Some(attention) = Attention::ending_in(program, &users, mix) {
            attention.grow(&mut form);
        }
    }
    form
}

/// Attention over keys and values that were appended to those of before, with nothing between its operations.
struct Attention {
    heads: Heads,
    scores: Id,
    /// The same as `scores` where nothing caps them.
    capped: Id,
    pattern: Id,
    mix: Id,
    /// Keys, values.
    appended: [Id; 2],
    /// Those of before.
    past: [Id; 2],
}

impl Attention {
    fn ending_in(program: &Program, users: &[Vec<Id>], mix: Id) -> Option<Self> {
        let values = &program.values;
        let Op::AttnMix(heads) = values[mix].op else { return None };
        let &[pattern, v] = values[mix].inputs.as_slice() else { return None };
        let Op::Softmax { n } = values[pattern].op else { return None };
        let capped = values[pattern].inputs[0];
        let scores = if let Op::SoftCap(_) = values[capped].op { values[capped].inputs[0] } else { capped };
        let Op::AttnScores { heads: of_scores, .. } = values[scores].op else { return None };
        let k = values[scores].inputs[1];
        let appended = [k, v];
        let past = appended.map(|id| values[id].inputs.first().copied().unwrap_or(id));
        let is_appended = |id: Id, past: Id| values[id].op == Op::Append && values[past].op == Op::Given;
        let is_used = |id: Id, by: Id| users[id] == [by];
        let fits = (of_scores, n) == (heads, heads.n_k)
            && k != v
            && past[0] != past[1]
            && is_appended(k, past[0])
            && is_appended(v, past[1])
            && is_used(capped, pattern)
            && (scores == capped || is_used(scores, capped))
            && is_used(pattern, mix)
            && is_used(k, scores)
            && is_used(v, mix)
            && is_used(past[0], k)
            && is_used(past[1], v);
        fits.then_some(Self { heads, scores, capped, pattern, mix, appended, past })
    }

    fn grow(&self, form: &mut Program) {
        let heads = Heads { n_k: self.heads.n_k.next_power_of_two().max(MIN_KEYS), ..self.heads };
        let n_more = (heads.n_k - self.heads.n_k) * heads.n_kv_heads * heads.d_head;
        for id in self.appended.into_iter().chain(self.past) {
            form.values[id].len += n_more;
        }
        for id in [self.scores, self.capped, self.pattern] {
            form.values[id].len = heads.n_heads * heads.n_q * heads.n_k;
        }
        if let Op::AttnScores { heads: of_scores, .. } = &mut form.values[self.scores].op {
            *of_scores = heads;
        }
        form.values[self.pattern].op = Op::Softmax { n: heads.n_k };
        form.values[self.mix].op = Op::AttnMix(heads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::webgpu::program::{Bits, Value};

    fn push(program: &mut Program, op: Op, inputs: &[Id], len: usize) -> Id {
        program.values.push(Value { op, inputs: inputs.to_vec(), len, is_kept: false });
        program.values.len() - 1
    }

    /// One token after `n_past`, with two heads of three.
    fn step(n_past: usize) -> Program {
        step_with(n_past, false)
    }

    fn step_with(n_past: usize, is_capped: bool) -> Program {
        let mut program = Program::default();
        let p = &mut program;
        let heads = Heads { n_q: 1, n_k: n_past + 1, n_heads: 2, n_kv_heads: 2, d_head: 3 };
        let [past_k, past_v] = [(); 2].map(|()| push(p, Op::Given, &[], n_past * 6));
        let [q, k, v] = [(); 3].map(|()| push(p, Op::Given, &[], 6));
        let k = push(p, Op::Append, &[past_k, k], heads.n_k * 6);
        let v = push(p, Op::Append, &[past_v, v], heads.n_k * 6);
        let scores =
            push(p, Op::AttnScores { heads, scale: Bits(0), window: u32::MAX }, &[q, k], heads.n_k * 2);
        let scores = if is_capped { push(p, Op::SoftCap(Bits(0)), &[scores], heads.n_k * 2) } else { scores };
        let pattern = push(p, Op::Softmax { n: heads.n_k }, &[scores], heads.n_k * 2);
        push(p, Op::AttnMix(heads), &[pattern, v], 6);
        program
    }

    #[test]
    fn tokens_of_a_continuation_share_a_form() {
        assert_eq!(form(&step(16)), form(&step(31)));
        assert_eq!(form(&step(31)), step(31), "full");
        assert_ne!(form(&step(31)), form(&step(32)));
        let forms: std::collections::HashSet<Program> =
            (1..1_024).map(|n_past| form(&step(n_past))).collect();
        assert_eq!(forms.len(), 7);
        assert_eq!(form(&step_with(16, true)), form(&step_with(31, true)), "with capped scores");
    }

    #[test]
    fn what_somebody_looks_at_beside_keeps_its_size() {
        let mut program = step(20);
        let scores = program.values.len() - 3;
        push(&mut program, Op::Add, &[scores, scores], 42);
        assert_eq!(form(&program), program);
    }
}
