// Softmax over the last axis; a row that is masked throughout becomes 0.
// CPU twin: backend/cpu/softmax.rs. LANES invocations a row; entries are bits, see shared/softmax_row.wgsl.
// import: shared/one_lane.wgsl
// import: shared/softmax_row.wgsl

struct Params {
    n_rows: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>; // [.. d]
@group(0) @binding(1) var<storage, read_write> pattern: array<u32>; // [.. d]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES, ROWS)
fn softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let row = row_of(group, local.y);
    // All stay for the barriers; what lies outside has a row without entries.
    let n = select(0u, params.d, row < params.n_rows);
    for (var i = lane; i < n; i += LANES) {
        pattern[row * params.d + i] = x[row * params.d + i];
    }
    softmax_row(row * params.d, n, lane, local.y);
}
