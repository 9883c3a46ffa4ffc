// Of normalize.wgsl, towards the scale: -sum(dy y) / scale.
// CPU twin: backend/cpu/norm.rs. LANES invocations a row.
// import: shared/one_lane.wgsl

struct Params {
    n_rows: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read> y: array<f32>; // [.. d]
@group(0) @binding(2) var<storage, read> scale: array<f32>; // [.. 1]
@group(0) @binding(3) var<storage, read_write> ds: array<f32>; // [.. 1]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(LANES, ROWS)
fn normalize_dscale(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    var sum = 0.0;
    for (var i = row * params.d + lane; i < (row + 1u) * params.d; i += LANES) {
        sum += dy[i] * y[i];
    }
    sum = sum_lanes(sum, lane, slot);
    if lane == 0u && own == row {
        ds[row] = -sum / scale[row];
    }
}
