//! From values to places on a scale, and from heads to hues. The colours themselves are css tokens.

/// Degrees in OKLCH at which the first head's hue lies.
const FIRST_HUE: f32 = 40.0;

/// How values become places on a colour scale. Zero is always neutral: nothing is drawn on the paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// From 0 to `max`: paper to ink.
    Sequential {
        /// The value at full ink.
        max: f32,
    },
    /// From `-max` to `max`: one ink, paper, the other ink.
    Diverging {
        /// The magnitude at full ink.
        max: f32,
    },
}

impl Domain {
    /// Where `value` lies: 0 is neutral, 1 full ink, -1 the full opposite ink of a diverging scale.
    /// What is not a number of this scale (masked, NaN) is neutral too; the mask is drawn apart.
    pub fn place(self, value: f32) -> f32 {
        let (lowest, max) = match self {
            Self::Sequential { max } => (0.0, max),
            Self::Diverging { max } => (-1.0, max),
        };
        if !value.is_finite() || !(0.0 < max) { 0.0 } else { (value / max).clamp(lowest, 1.0) }
    }

    /// The value at the end of the scale.
    pub fn max(self) -> f32 {
        match self {
            Self::Sequential { max } | Self::Diverging { max } => max,
        }
    }

    /// Values to write under the legend, left to right, evenly spaced.
    pub fn ticks(self) -> Vec<f32> {
        match self {
            Self::Sequential { max } => vec![0.0, max / 2.0, max],
            Self::Diverging { max } => vec![-max, 0.0, max],
        }
    }
}

/// The hue of a head in degrees, 0 to 360. Heads of one layer are spread over the whole circle; each
/// layer starts a little further on, so that no two heads of a model share a hue.
pub fn head_hue([layer, head]: [usize; 2], [n_layers, n_heads]: [usize; 2]) -> f32 {
    let step = 360.0 / n_heads.max(1) as f32;
    let start = FIRST_HUE + step * layer as f32 / n_layers.max(1) as f32;
    (start + step * head as f32) % 360.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_neutral_on_every_scale() {
        for domain in [Domain::Sequential { max: 0.3 }, Domain::Diverging { max: 7.0 }] {
            assert_eq!(domain.place(0.0), 0.0);
            assert_eq!(domain.place(f32::NEG_INFINITY), 0.0);
            assert_eq!(domain.place(f32::NAN), 0.0);
        }
        assert_eq!(Domain::Sequential { max: 0.0 }.place(1.0), 0.0);
    }

    #[test]
    fn ends_are_full_ink_and_nothing_lies_beyond() {
        let diverging = Domain::Diverging { max: 2.0 };
        assert_eq!([-4.0, -2.0, -1.0, 1.0, 9.0].map(|v| diverging.place(v)), [-1.0, -1.0, -0.5, 0.5, 1.0]);
        let sequential = Domain::Sequential { max: 0.5 };
        assert_eq!([-1.0, 0.25, 0.5, 1.0].map(|v| sequential.place(v)), [0.0, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn no_two_heads_share_a_hue() {
        let dims = [12, 12];
        let mut hues: Vec<f32> = (0..144).map(|idx| head_hue([idx / 12, idx % 12], dims)).collect();
        hues.sort_by(f32::total_cmp);
        assert!(hues.windows(2).all(|pair| 1.0 < pair[1] - pair[0]), "{hues:?}");
        assert!(hues.iter().all(|hue| (0.0..360.0).contains(hue)));
    }
}
