// Whether a norm centres: LayerNorm does, RMSNorm does not.
override CENTRES: bool = true;

// Mean and variance of row `x[row, :]`, by the lanes that share it. Needs `x`, `params.d` and the lanes.
fn mean_of(row: u32, lane: u32, slot: u32) -> f32 {
    var sum = 0.0;
    for (var col = lane; col < params.d; col += LANES) {
        sum += x[row * params.d + col];
    }
    return select(0.0, sum_lanes(sum, lane, slot) / f32(params.d), CENTRES);
}

// Biased, around `mean`.
fn variance_of(row: u32, mean: f32, lane: u32, slot: u32) -> f32 {
    var sum = 0.0;
    for (var col = lane; col < params.d; col += LANES) {
        let centred = x[row * params.d + col] - mean;
        sum += centred * centred;
    }
    return sum_lanes(sum, lane, slot) / f32(params.d);
}
