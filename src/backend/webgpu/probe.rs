//! Which way to cut matrix products is fastest on this adapter, by trying.

use super::{GpuMatrix, Preset, Scheme, WebGpu};
use crate::{
    backend::{Backend as _, BackendError},
    op::MatrixAxes,
    tensor::HostTensor,
};

/// Timed runs of each preset.
const N_RUNS: usize = 3;
/// When this is spent the rest is not tried, milliseconds.
const BUDGET_MILLIS: f64 = 100.0;
/// How much faster a preset must be than one that is preferred.
const MIN_GAIN: f64 = 1.05;

impl WebGpu {
    /// How matrix products are cut.
    pub fn preset(&self) -> Preset {
        self.0.device.limits().preset
    }

    /// Times the presets on a product `[m k] [k n] -> [m n]`, and takes the fastest from here on. `now` is the time in
    /// milliseconds. Where there is nothing to choose nothing is tried.
    ///
    /// Errors: the device cannot hold the product, or was lost.
    pub async fn probe(&self, [m, k, n]: [usize; 3], now: impl Fn() -> f64) -> Result<Preset, BackendError> {
        if self.0.device.limits().scheme == Scheme::Serial {
            return Ok(self.preset());
        }
        let before = self.preset();
        let x = self.upload("probe", HostTensor::full(vec![m, k], 0.5))?;
        let w = self.upload("probe", HostTensor::full(vec![k, n], 0.5))?;
        let w = GpuMatrix::whole(w, MatrixAxes::InOut);
        let (mut times, mut spent) = (vec![], 0.0);
        for preset in Preset::ALL {
            self.take_preset(preset);
            // The first run compiles.
            for nth in 0..=N_RUNS {
                let start = now();
                // One row is read, so that it is the product that takes the time.
                let y = self.gather(&self.linear(&x, &w, None)?, &[0])?;
                if let Err(error) = self.read(&y).await {
                    self.take_preset(before);
                    return Err(error);
                }
                let millis = now() - start;
                if 0 < nth {
                    times.push((preset, millis));
                    spent += millis;
                }
            }
            if BUDGET_MILLIS < spent {
                break;
            }
        }
        let fastest = fastest(&times).unwrap_or(before);
        self.take_preset(fastest);
        Ok(fastest)
    }

    fn take_preset(&self, preset: Preset) {
        if self.preset() != preset {
            self.0.device.take_preset(preset);
            self.0.plans.clear();
        }
    }
}

/// The preset with the shortest run; a later one of [`Preset::ALL`] only if it is clearly faster.
fn fastest(times: &[(Preset, f64)]) -> Option<Preset> {
    let shortest = |preset: Preset| {
        let runs = times.iter().filter(|(of, millis)| *of == preset && 0.0 <= *millis);
        runs.map(|(_, millis)| *millis).min_by(f64::total_cmp).map(|millis| (preset, millis))
    };
    let measured = Preset::ALL.into_iter().filter_map(shortest);
    let best = measured.reduce(|best, other| if other.1 * MIN_GAIN < best.1 { other } else { best });
    best.map(|(preset, _)| preset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_is_taken_and_a_small_gain_is_none() {
        use Preset::{Large, Registers, Small, Wide};
        assert_eq!(fastest(&[]), None);
        let cases: [(&[(Preset, f64)], Preset); 5] = [
            (&[(Large, 4.0), (Wide, 3.0), (Small, 2.0), (Registers, 5.0)], Small),
            // The shortest run counts: another program may have been in the way of the others.
            (&[(Large, 9.0), (Large, 2.0), (Wide, 3.0), (Wide, 3.0)], Large),
            (&[(Large, 2.0), (Wide, 1.95)], Large),
            (&[(Wide, 1.0)], Wide),
            // A clock that stands still, and one that is broken.
            (&[(Large, 0.0), (Wide, f64::NAN), (Small, -1.0)], Large),
        ];
        for (times, want) in cases {
            assert_eq!(fastest(times), Some(want), "{times:?}");
        }
    }
}
