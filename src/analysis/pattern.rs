//! What a pattern does on average: means of attention probability over query positions.
//!
//! Each is one stripe or one property of `hook_pattern`, defined where it is computed. Who looks at which heads, and what
//! a score is called on screen, is decided elsewhere.

use std::collections::HashMap;

/// Where each token has occurred before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeats {
    earlier: Vec<Vec<usize>>, // [pos], each in order
}

impl Repeats {
    /// Of a prompt.
    pub fn of(tokens: &[u32]) -> Self {
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        let earlier = |(pos, token): (usize, &u32)| {
            let places = places.entry(*token).or_default();
            let earlier = places.clone();
            places.push(pos);
            earlier
        };
        Self { earlier: tokens.iter().enumerate().map(earlier).collect() }
    }

    /// Of `n_before` tokens and then `length` tokens twice: the earlier copy of a token is the one `length` before it,
    /// whichever other tokens happen to be the same.
    pub fn copies(n_before: usize, length: usize) -> Self {
        let first = n_before + length;
        let earlier = |pos: usize| pos.checked_sub(length).filter(|_| first <= pos).into_iter().collect();
        Self { earlier: (0..first + length).map(earlier).collect() }
    }

    /// How many positions hold a token that has occurred before.
    pub fn n_repeated(&self) -> usize {
        self.earlier.iter().filter(|earlier| !earlier.is_empty()).count()
    }

    /// How many positions there are.
    pub fn n_pos(&self) -> usize {
        self.earlier.len()
    }

    /// The earlier places of the token at `pos`, in order.
    pub fn earlier(&self, pos: usize) -> &[usize] {
        &self.earlier[pos]
    }
}

/// A mean on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// Of all values so far.
    pub sum: f64,
    /// How many there were.
    pub n: usize,
}

impl Mean {
    /// Takes in what another one has seen.
    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.n += other.n;
    }

    /// The mean; `None` of nothing.
    pub fn value(self) -> Option<f32> {
        (self.n > 0).then(|| (self.sum / self.n as f64) as f32)
    }
}

impl FromIterator<f64> for Mean {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let add = |mean: Self, value| Self { sum: mean.sum + value, n: mean.n + 1 };
        values.into_iter().fold(Self::default(), add)
    }
}

/// The pattern of one head. Rows are query positions.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// [q_pos k_pos]
    pub pattern: &'a [f32],
    /// Those of the prompt that it was made on.
    pub repeats: &'a Repeats,
}

impl Look<'_> {
    fn n_pos(&self) -> usize {
        self.repeats.n_pos()
    }

    fn row(&self, q: usize) -> &[f32] {
        &self.pattern[q * self.n_pos()..][..self.n_pos()]
    }

    fn at(&self, q: usize, k: usize) -> f64 {
        f64::from(self.row(q)[k])
    }

    /// From each repeated token, summed over the positions `offset` after its earlier copies.
    fn after_copies(&self, offset: usize) -> Mean {
        let repeated = (0..self.n_pos()).filter(|q| !self.repeats.earlier(*q).is_empty());
        let of = |q: usize| self.repeats.earlier(q).iter().map(|k| self.at(q, k + offset)).sum();
        repeated.map(of).collect()
    }

    /// From each repeated token to the positions right after its earlier copies: prefix matching (Olsson et al. 2022).
    pub fn induction(&self) -> Mean {
        self.after_copies(1)
    }

    /// From each repeated token to its earlier copies.
    pub fn duplicate_token(&self) -> Mean {
        self.after_copies(0)
    }

    /// From each token to the one `offset` before it, where there is one.
    pub fn stripe(&self, offset: usize) -> Mean {
        (offset..self.n_pos()).map(|q| self.at(q, q - offset)).collect()
    }

    /// From each token after position 0 to position 0.
    pub fn first_token(&self) -> Mean {
        (1..self.n_pos()).map(|q| self.at(q, 0)).collect()
    }

    /// From each token after position 0 to itself; position 0 sees nothing else.
    pub fn current_token(&self) -> Mean {
        (1..self.n_pos()).map(|q| self.at(q, q)).collect()
    }

    /// Entropy of the rows, nats.
    pub fn entropy(&self) -> Mean {
        // All of it is read, and nobody did so lately.
        vitrine_kernel::fetch(self.pattern);
        (0..self.n_pos()).map(|q| f64::from(vitrine_kernel::entropy(self.row(q)))).collect()
    }

    /// How far back each token after position 0 looks on average, tokens.
    pub fn distance(&self) -> Mean {
        let of = |q: usize| {
            self.row(q)[..q].iter().zip((1..=q).rev()).map(|(p, d)| f64::from(*p) * d as f64).sum()
        };
        (1..self.n_pos()).map(of).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A pattern that puts all of row q on `key_of(q)`.
    pub(crate) fn one_hot(n: usize, key_of: impl Fn(usize) -> usize) -> Vec<f32> {
        let mut pattern = vec![0.0; n * n];
        for q in 0..n {
            pattern[q * n + key_of(q)] = 1.0;
        }
        pattern
    }

    #[test]
    fn two_copies_repeat_by_place() {
        let repeats = Repeats::copies(1, 3);
        assert_eq!(repeats, Repeats::of(&[0, 5, 6, 7, 5, 6, 7]));
        // A token that is drawn twice is its own repetition in a prompt, and none in two copies.
        assert_ne!(Repeats::copies(0, 2), Repeats::of(&[5, 5, 5, 5]));
        assert_eq!(Repeats::copies(0, 2).earlier(3), [1]);
        assert_eq!((repeats.n_pos(), repeats.n_repeated()), (7, 3));
    }

    #[test]
    fn each_mean_sees_its_own_stripe() {
        let repeats = Repeats::copies(0, 3);
        let look = |key_of: fn(usize) -> usize| one_hot(6, key_of);
        let (itself, after, copy) =
            (look(|q| q), look(|q| q.saturating_sub(2)), look(|q| q.saturating_sub(3)));
        let [itself, after, copy] =
            [&itself, &after, &copy].map(|pattern| Look { pattern, repeats: &repeats });
        let value = |mean: Mean| (mean.value(), mean.n);
        assert_eq!(value(itself.current_token()), (Some(1.0), 5));
        assert_eq!(value(itself.distance()), (Some(0.0), 5));
        assert_eq!(value(itself.induction()), (Some(0.0), 3));
        assert_eq!(value(after.induction()), (Some(1.0), 3));
        // One query more than there are repeated tokens: the last of the first copy.
        assert_eq!(value(after.stripe(2)), (Some(1.0), 4));
        assert_eq!(value(after.distance()), (Some(1.8), 5));
        assert_eq!(value(copy.duplicate_token()), (Some(1.0), 3));
        assert_eq!(value(copy.first_token()), (Some(0.6), 5));
    }

    #[test]
    fn means_of_parts_are_the_mean_of_all() {
        let mut mean: Mean = [1.0, 2.0].into_iter().collect();
        mean.add([6.0].into_iter().collect());
        assert_eq!(mean.value(), Some(3.0));
        assert_eq!(Mean::default().value(), None);
    }
}
