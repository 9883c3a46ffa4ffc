//! What becomes of a value before it is encoded, and how it is undone.

use super::Normalization;

/// Added to the standard deviation, as SAELens does.
const EPS: f64 = 1e-5;

/// What a row is divided by, and what is subtracted from it before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    by: f64,
    centre: f64,
    undone_by: f64,
}

impl Normalization {
    /// Of one row.
    pub(super) fn scale(self, x: &[f32]) -> Scale {
        let (n, wide) = (x.len() as f64, || x.iter().map(|v| f64::from(*v)));
        match self {
            Self::None => Scale { by: 1.0, centre: 0.0, undone_by: 1.0 },
            Self::LayerNorm => {
                let centre = wide().sum::<f64>() / n;
                let std = (wide().map(|v| (v - centre) * (v - centre)).sum::<f64>() / (n - 1.0)).sqrt();
                Scale { by: std + EPS, centre, undone_by: std }
            }
            Self::ConstantNormRescale => {
                let by = wide().map(|v| v * v).sum::<f64>().sqrt() / n.sqrt();
                Scale { by, centre: 0.0, undone_by: by }
            }
        }
    }
}

impl Scale {
    /// A normalised value.
    pub(super) fn applied(self, x: f32) -> f32 {
        ((f64::from(x) - self.centre) / self.by) as f32
    }

    /// The value behind it; of a standard deviation the small number is left out, as SAELens does.
    pub(super) fn undone(self, y: f32) -> f32 {
        (f64::from(y) * self.undone_by + self.centre) as f32
    }
}
