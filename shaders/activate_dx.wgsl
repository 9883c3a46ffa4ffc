// Of activate.wgsl: dy f'(x).
// CPU twin: backend/cpu/activate.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/activation.wgsl
// import: shared/slope.wgsl

struct Params {
    n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn activate_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    dx[i] = dy[i] * slope(x[i]);
}
