// A whole norm, backwards: affine.wgsl, then normalize.wgsl towards its input and its scale, then norm_scale.wgsl, and
// the sum of what comes of them with the gradient that was there before.
// CPU twin: backend/cpu/norm.rs. LANES invocations a row.
// import: shared/one_lane.wgsl
// import: shared/moments.wgsl

struct Params {
    n_rows: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read> scale: array<f32>; // [.. 1]
@group(0) @binding(2) var<storage, read> normalized: array<f32>; // [.. d]
@group(0) @binding(3) var<storage, read> dy: array<f32>; // [.. d]
@group(0) @binding(4) var<storage, read> w: array<f32>; // [d]
@group(0) @binding(5) var<storage, read> before: array<f32>; // [.. d]
@group(0) @binding(6) var<storage, read_write> dx: array<f32>; // [.. d]
@group(0) @binding(7) var<storage, read_write> d_normalized: array<f32>; // [.. d]
@group(0) @binding(8) var<uniform> params: Params;

override HAS_W: bool = true;
override HAS_BEFORE: bool = true;
override KEEP_D_NORMALIZED: bool = false;

// The gradient of the normalised value.
fn d_normalized_at(i: u32) -> f32 {
    if HAS_W {
        return dy[i] * w[i % params.d];
    }
    return dy[i];
}

@compute @workgroup_size(LANES, ROWS)
fn norm_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    let mean = mean_of(row, lane, slot);
    var sum = 0.0;
    var dot = 0.0;
    for (var i = row * params.d + lane; i < (row + 1u) * params.d; i += LANES) {
        sum += d_normalized_at(i);
        dot += d_normalized_at(i) * normalized[i];
    }
    let d_mean = select(0.0, sum_lanes(sum, lane, slot) / f32(params.d), CENTRES);
    let ds = -sum_lanes(dot, lane, slot) / scale[row];
    let by = ds / (f32(params.d) * scale[row]);
    if own != row {
        return;
    }
    for (var i = row * params.d + lane; i < (row + 1u) * params.d; i += LANES) {
        let dn = d_normalized_at(i);
        if KEEP_D_NORMALIZED {
            d_normalized[i] = dn;
        }
        var value = (dn - d_mean) / scale[row];
        if HAS_BEFORE {
            value = before[i] + value;
        }
        dx[i] = value + by * (x[i] - mean);
    }
}
