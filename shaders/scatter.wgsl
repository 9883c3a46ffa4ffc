// Of gather.wgsl: dx[rows[i], :] += dy[i, :].
// CPU twin: backend/cpu/rows.rs. One invocation an entry of dx, which looks for its row: no two write the same.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    d: u32,
    n_dy: u32, // rows of dy
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // [n_dy d]
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>; // [rows d]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn scatter(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = i / params.d;
    let col = i % params.d;
    var sum = 0.0;
    for (var i_dy = 0u; i_dy < params.n_dy; i_dy++) {
        if rows[i_dy] == row {
            sum += dy[i_dy * params.d + col];
        }
    }
    dx[i] = sum;
}
