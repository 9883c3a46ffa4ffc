// Of softmax.wgsl, from its result: y (dy - sum(dy y)). A masked entry has y = 0 and gets 0.
// CPU twin: backend/cpu/softmax.rs. LANES invocations a row.
// import: shared/one_lane.wgsl

struct Params {
    n_rows: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> y: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read> dy: array<f32>; // [.. d]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>; // [.. d]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(LANES, ROWS)
fn softmax_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    var sum = 0.0;
    for (var i = row * params.d + lane; i < (row + 1u) * params.d; i += LANES) {
        sum += y[i] * dy[i];
    }
    sum = sum_lanes(sum, lane, slot);
    if own != row {
        return;
    }
    for (var i = row * params.d + lane; i < (row + 1u) * params.d; i += LANES) {
        dx[i] = y[i] * (dy[i] - sum);
    }
}
