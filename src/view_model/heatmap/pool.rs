//! More cells than pixels: each pixel takes the strongest cell under it, so that a thin stripe stays whole.

use super::Heatmap;

/// The picture at `side_px` by `side_px` device pixels, row by row: places on the scale, -1 to 1.
///
/// With fewer cells than pixels each cell fills its own block; with more, each pixel shows the cell of
/// largest magnitude among those it covers. Every cell is covered exactly once.
pub fn pooled(map: &Heatmap, side_px: usize) -> Vec<f32> {
    let spans: Vec<(usize, usize)> = (0..side_px).map(|px| span(px, side_px, map.n)).collect();
    // Columns first, then rows: the maximum of maxima.
    let mut narrow = vec![0.0; map.n * side_px]; // [q px]
    for q in 0..map.n {
        for (px, &(start, end)) in spans.iter().enumerate() {
            narrow[q * side_px + px] = strongest((start..end.min(q + 1)).map(|k| map.place(q, k)));
        }
    }
    let mut pixels = vec![0.0; side_px * side_px]; // [px px]
    for (row, &(start, end)) in spans.iter().enumerate() {
        for col in 0..side_px {
            pixels[row * side_px + col] = strongest((start..end).map(|q| narrow[q * side_px + col]));
        }
    }
    pixels
}

fn strongest(places: impl Iterator<Item = f32>) -> f32 {
    places.fold(0.0, |best: f32, place| if best.abs() < place.abs() { place } else { best })
}

/// The cells `start..end` under pixel `px`.
fn span(px: usize, side_px: usize, n: usize) -> (usize, usize) {
    let start = px * n / side_px;
    (start, ((px + 1) * n / side_px).clamp(start + 1, n.max(start + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_model::heatmap::{
        FirstKey,
        tests::{map, pattern},
    };

    #[test]
    fn a_stripe_of_one_cell_survives_at_a_quarter_of_the_size() {
        let offset = 37;
        let stripe = map(&pattern(256, 0.0, |q| q.saturating_sub(offset)), FirstKey::Hidden);
        let pixels = pooled(&stripe, 64);
        for row in offset.div_ceil(4) + 1..64 {
            let strongest = pixels[row * 64..(row + 1) * 64].iter().copied().fold(0.0, f32::max);
            assert_eq!(strongest, 1.0, "row {row}");
        }
        // It stays a stripe: most of the picture is paper.
        let n_inked = pixels.iter().filter(|place| 0.0 < **place).count();
        assert!(n_inked < 64 * 3, "{n_inked}");
    }

    #[test]
    fn cells_larger_than_pixels_fill_their_blocks() {
        let diagonal = map(&pattern(3, 0.0, |q| q), FirstKey::Shown);
        let pixels = pooled(&diagonal, 6);
        for (row, col) in (0..6).flat_map(|row| (0..6).map(move |col| (row, col))) {
            let want = if row / 2 == col / 2 { 1.0 } else { 0.0 };
            assert_eq!(pixels[row * 6 + col], want, "{row} {col}");
        }
    }

    #[test]
    fn every_cell_lies_under_exactly_one_pixel() {
        for (side_px, n) in [(64, 256), (61, 200), (50, 64), (7, 7)] {
            let covered: Vec<usize> = (0..side_px)
                .flat_map(|px| {
                    let (start, end) = span(px, side_px, n);
                    start..end
                })
                .collect();
            assert_eq!(covered, (0..n).collect::<Vec<_>>(), "{n} cells on {side_px} px");
        }
    }
}
