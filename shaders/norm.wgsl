// A whole norm: norm_scale.wgsl, normalize.wgsl and affine.wgsl in one; what somebody looks at is kept.
// CPU twin: backend/cpu/norm.rs. LANES invocations a row.
// import: shared/one_lane.wgsl
// import: shared/moments.wgsl

struct Params {
    n_rows: u32,
    d: u32,
    eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [d]
@group(0) @binding(2) var<storage, read> b: array<f32>; // [d]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [.. d]
@group(0) @binding(4) var<storage, read_write> scale: array<f32>; // [.. 1]
@group(0) @binding(5) var<storage, read_write> normalized: array<f32>; // [.. d]
@group(0) @binding(6) var<uniform> params: Params;

override HAS_W: bool = true;
override HAS_B: bool = true;
override KEEP_SCALE: bool = false;
override KEEP_NORMALIZED: bool = false;

@compute @workgroup_size(LANES, ROWS)
fn norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    let mean = mean_of(row, lane, slot);
    let own_scale = sqrt(variance_of(row, mean, lane, slot) + params.eps);
    if own != row {
        return;
    }
    if KEEP_SCALE && lane == 0u {
        scale[row] = own_scale;
    }
    for (var col = lane; col < params.d; col += LANES) {
        let i = row * params.d + col;
        var value = (x[i] - mean) / own_scale;
        if KEEP_NORMALIZED {
            normalized[i] = value;
        }
        if HAS_W {
            value *= w[col];
        }
        if HAS_B {
            value += b[col];
        }
        y[i] = value;
    }
}
