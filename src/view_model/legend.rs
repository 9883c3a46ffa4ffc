//! The legend of a colour scale: its numbers and what they count.

use super::{
    color::Domain,
    heatmap::{Heatmap, Normalisation, Quantity},
    number,
};

/// What a legend says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legend {
    /// Numbers under the ramp, evenly spaced, left to right.
    pub ticks: Vec<String>,
    /// What is counted, and what full ink stands for.
    pub unit: String,
    /// Whether zero is in the middle.
    pub is_diverging: bool,
}

/// The legend of a matrix.
pub fn legend(map: &Heatmap, normalisation: Normalisation) -> Legend {
    let (unit, is_diverging) = match (map.quantity, normalisation) {
        (Quantity::Attention, Normalisation::Shared) => {
            ("attention probability, one scale for all heads; each row sums to 1", false)
        }
        (Quantity::Attention, Normalisation::OwnMaximum) => {
            ("attention probability, up to the largest shown in this head; each row sums to 1", false)
        }
        (Quantity::Score, _) => {
            ("score q·k/√d_head before the softmax, up to this head’s largest magnitude; 0 is paper", true)
        }
    };
    Legend { ticks: ticks(map.domain), unit: unit.to_owned(), is_diverging }
}

/// The numbers of a scale; zero is written as such.
pub fn ticks(domain: Domain) -> Vec<String> {
    let text = |tick: f32| match domain {
        _ if tick == 0.0 => "0".to_owned(),
        Domain::Sequential { .. } if tick == 1.0 => "1".to_owned(),
        Domain::Sequential { max } if max < 0.1 => number::prob(tick),
        Domain::Sequential { .. } | Domain::Diverging { .. } => number::nats(tick),
    };
    domain.ticks().into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_numbers_at_both_ends_and_at_zero() {
        assert_eq!(ticks(Domain::Sequential { max: 1.0 }), ["0", "0.50", "1"]);
        assert_eq!(ticks(Domain::Sequential { max: 0.05 }), ["0", "0.025", "0.050"]);
        assert_eq!(ticks(Domain::Diverging { max: 7.25 }), ["−7.25", "0", "7.25"]);
    }
}
