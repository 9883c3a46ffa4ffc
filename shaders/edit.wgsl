// An intervention, applied: keep * x + add; where keep is 0 the result is add, whatever x is.
// CPU twin: backend/cpu/edit.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> keep: array<f32>;
@group(0) @binding(2) var<storage, read> add: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn edit(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    // A masked score is -inf: with keep 0 it must not reach the product.
    if keep[i] == 0.0 {
        y[i] = add[i];
    } else {
        y[i] = keep[i] * x[i] + add[i];
    }
}
