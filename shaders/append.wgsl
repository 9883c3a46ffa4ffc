// a followed by b along the outermost axis.
// CPU twin: backend/cpu/rows.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    n_a: u32, // entries of a
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn append(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    if i < params.n_a {
        y[i] = a[i];
    } else {
        y[i] = b[i - params.n_a];
    }
}
