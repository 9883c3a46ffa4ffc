// by * x, entry by entry.
// CPU twin: backend/cpu/affine.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    by: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn scale(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    y[i] = params.by * x[i];
}
