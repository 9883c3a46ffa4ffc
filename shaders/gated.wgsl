// f(gate) * up, entry by entry.
// CPU twin: backend/cpu/gated.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/activation.wgsl

struct Params {
    n: u32,
}

@group(0) @binding(0) var<storage, read> gate: array<f32>;
@group(0) @binding(1) var<storage, read> up: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn gated(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    y[i] = activation(gate[i]) * up[i];
}
