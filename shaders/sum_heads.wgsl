// Sum over heads: [pos head d] -> [pos d].
// CPU twin: backend/cpu/heads.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    d: u32,
    n_heads: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [pos head d]
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // [pos d]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn sum_heads(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let first = i / params.d * params.n_heads * params.d + i % params.d;
    var sum = 0.0;
    for (var head = 0u; head < params.n_heads; head++) {
        sum += x[first + head * params.d];
    }
    y[i] = sum;
}
