// a * b, entry by entry; where a is 0 the result is 0, whatever b is.
// CPU twin: backend/cpu/edit.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn multiply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    if a[i] == 0.0 {
        y[i] = 0.0;
    } else {
        y[i] = a[i] * b[i];
    }
}
