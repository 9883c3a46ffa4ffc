// The divisor of a norm over the last axis: sqrt(var + eps).
// CPU twin: backend/cpu/norm.rs. LANES invocations a row.
// import: shared/one_lane.wgsl
// import: shared/moments.wgsl

struct Params {
    n_rows: u32,
    d: u32,
    eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read_write> scale: array<f32>; // [.. 1]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES, ROWS)
fn norm_scale(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    let mean = mean_of(row, lane, slot);
    let variance = variance_of(row, mean, lane, slot);
    if lane == 0u && own == row {
        scale[row] = sqrt(variance + params.eps);
    }
}
