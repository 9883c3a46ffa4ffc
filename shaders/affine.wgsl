// x * w + b over the last axis.
// CPU twin: backend/cpu/affine.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [.. d]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [d]
@group(0) @binding(2) var<storage, read> b: array<f32>; // [d]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [.. d]
@group(0) @binding(4) var<uniform> params: Params;

override HAS_W: bool = true;
override HAS_B: bool = true;

@compute @workgroup_size(GROUP)
fn affine(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let col = i % params.d;
    var value = x[i];
    if HAS_W {
        value *= w[col];
    }
    if HAS_B {
        value += b[col];
    }
    y[i] = value;
}
