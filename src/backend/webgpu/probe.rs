//! Which way to cut matrix products is fastest on this adapter, by trying.

use super::{GpuMatrix, Preset, WebGpu};
use crate::{
    backend::{Backend as _, BackendError},
    op::MatrixAxes,
    tensor::HostTensor,
};

/// Timed runs of each preset.
const N_RUNS: usize = 3;
/// A run is of so many products that it takes about so long, milliseconds: shorter, and it would be the way to the device
/// and back that is timed.
const RUN_MILLIS: f64 = 4.0;
const MAX_PRODUCTS: f64 = 16.0;
/// When this is spent the rest is not tried, milliseconds.
const BUDGET_MILLIS: f64 = 100.0;
/// How much faster a preset must be than one that is preferred.
const MIN_GAIN: f64 = 1.05;

impl WebGpu {
    /// How matrix products are cut.
    pub fn preset(&self) -> Preset {
        self.0.device.limits().preset
    }

    /// Cuts matrix products this way from here on, as was measured before.
    pub fn take_preset(&self, preset: Preset) {
        if self.preset() != preset {
            self.0.device.take_preset(preset);
            self.0.plans.clear();
        }
    }

    /// Times the presets on a product `[m k] [k n] -> [m n]`, and takes the fastest from here on. `now` is the time in
    /// milliseconds.
    ///
    /// Errors: the device cannot hold the product, or was lost.
    pub async fn probe(&self, sizes: [usize; 3], now: impl Fn() -> f64) -> Result<Preset, BackendError> {
        let before = self.preset();
        let timed = self.time_presets(sizes, now).await;
        let presets = self.0.device.limits().scheme.presets();
        let fastest = timed.as_deref().ok().and_then(|times| fastest(presets, times)).unwrap_or(before);
        self.take_preset(fastest);
        timed.map(|_| fastest)
    }

    /// What a product took with each preset that there was time for, milliseconds.
    async fn time_presets(
        &self,
        [m, k, n]: [usize; 3],
        now: impl Fn() -> f64,
    ) -> Result<Vec<(Preset, f64)>, BackendError> {
        let x = self.upload("probe", HostTensor::full(vec![m, k], 0.5))?;
        let w = self.upload("probe", HostTensor::full(vec![k, n], 0.5))?;
        let w = GpuMatrix::whole(w, MatrixAxes::InOut);
        let run = async |n_products: f64| {
            let start = now();
            // One row of each is read, so that it is the products that take the time.
            let row = |_| self.gather(&self.linear(&x, &w, None)?, &[0]);
            let rows = (0..n_products as usize).map(row).collect::<Result<Vec<_>, _>>()?;
            self.read_all(&rows.iter().collect::<Vec<_>>()).await?;
            Ok::<_, BackendError>(now() - start)
        };
        let (mut times, mut spent, mut n_products) = (vec![], 0.0, None);
        for &preset in self.0.device.limits().scheme.presets() {
            self.take_preset(preset);
            // The first run compiles.
            run(1.0).await?;
            let n_products = match n_products {
                Some(n_products) => n_products,
                None => *n_products.insert((RUN_MILLIS / run(1.0).await?).clamp(1.0, MAX_PRODUCTS).floor()),
            };
            for _ in 0..N_RUNS {
                let millis = run(n_products).await?;
                times.push((preset, millis / n_products));
                spent += millis;
            }
            if BUDGET_MILLIS < spent {
                break;
            }
        }
        Ok(times)
    }
}

/// The preset with the shortest run; a later one of `presets` only if it is clearly faster.
fn fastest(presets: &[Preset], times: &[(Preset, f64)]) -> Option<Preset> {
    let shortest = |preset: Preset| {
        let runs = times.iter().filter(|(of, millis)| *of == preset && 0.0 <= *millis);
        runs.map(|(_, millis)| *millis).min_by(f64::total_cmp).map(|millis| (preset, millis))
    };
    let measured = presets.iter().copied().filter_map(shortest);
    let best = measured.reduce(|best, other| if other.1 * MIN_GAIN < best.1 { other } else { best });
    best.map(|(preset, _)| preset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_is_taken_and_a_small_gain_is_none() {
        use Preset::{Large, Registers, Small, Wide};
        assert_eq!(fastest(&Preset::ALL, &[]), None);
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
            assert_eq!(fastest(&Preset::ALL, times), Some(want), "{times:?}");
        }
    }
}
