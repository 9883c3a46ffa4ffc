//! How a prompt is continued, as the controls hold it.

/// The sampler's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 always takes the likeliest token.
    pub temperature: f32,
    /// Only so many likeliest tokens; 0 is all of them.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability; 1 is all of them.
    pub top_p: f32,
    /// Seed of the sampler.
    pub seed: u32,
    /// Stop after so many tokens.
    pub max_new_tokens: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.8, top_k: 0, top_p: 0.95, seed: 1, max_new_tokens: 60 }
    }
}

impl Sampling {
    /// The settings with every value inside its range; a value that is no number becomes the default.
    pub fn clamped(self) -> Self {
        let default = Self::default();
        let in_range = |value: f32, low: f32, high: f32, otherwise: f32| {
            if value.is_finite() { value.clamp(low, high) } else { otherwise }
        };
        Self {
            temperature: in_range(self.temperature, 0.0, 5.0, default.temperature),
            top_p: in_range(self.top_p, 0.01, 1.0, default.top_p),
            max_new_tokens: self.max_new_tokens.clamp(1, 1024),
            ..self
        }
    }

    /// `temperature 0.8, top-p 0.95, seed 1, 60 tokens`: what matters, in a line.
    pub fn summary(self) -> String {
        if self.temperature == 0.0 {
            return format!("greedy, {} tokens", self.max_new_tokens);
        }
        let limits =
            [self.limit_k().map(|k| format!("top-k {k}, ")), self.limit_p().map(|p| format!("top-p {p}, "))];
        let limits: String = limits.into_iter().flatten().collect();
        format!(
            "temperature {}, {limits}seed {}, {} tokens",
            self.temperature, self.seed, self.max_new_tokens
        )
    }

    /// `top_k`, where it limits anything.
    pub fn limit_k(self) -> Option<usize> {
        (0 < self.top_k).then_some(self.top_k)
    }

    /// `top_p`, where it limits anything.
    pub fn limit_p(self) -> Option<f32> {
        (self.top_p < 1.0).then_some(self.top_p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_limits_nothing_is_not_sent() {
        let free = Sampling { top_k: 0, top_p: 1.0, ..Sampling::default() };
        assert_eq!((free.limit_k(), free.limit_p()), (None, None));
        assert_eq!(free.summary(), "temperature 0.8, seed 1, 60 tokens");
        assert_eq!(Sampling { temperature: 0.0, ..free }.summary(), "greedy, 60 tokens");
        let odd = Sampling { temperature: f32::NAN, top_p: 7.0, ..free }.clamped();
        assert_eq!((odd.temperature, odd.top_p), (Sampling::default().temperature, 1.0));
    }
}
