// (x - mean) / scale over the last axis.
// CPU twin: backend/cpu/norm.rs. LANES invocations a row.
// import: shared/one_lane.wgsl
// import: shared/moments.wgsl

struct Params {
    n_rows: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read> scale: array<f32>; // [.. 1]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [.. d]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(LANES, ROWS)
fn normalize(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    let mean = mean_of(row, lane, slot);
    if own != row {
        return;
    }
    for (var col = lane; col < params.d; col += LANES) {
        let i = row * params.d + col;
        y[i] = (x[i] - mean) / scale[row];
    }
}
