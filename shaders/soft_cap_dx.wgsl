// Of soft_cap.wgsl, from its result: dy (1 - (y / cap)^2), and 0 where y is -inf.
// CPU twin: backend/cpu/soft_cap.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    cap: f32,
}

@group(0) @binding(0) var<storage, read> y: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

const MASKED: u32 = 0xff800000u; // -inf

@compute @workgroup_size(GROUP)
fn soft_cap_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    if y[i] == MASKED {
        dx[i] = 0.0;
    } else {
        let share = bitcast<f32>(y[i]) / params.cap;
        dx[i] = dy[i] * (1.0 - share * share);
    }
}
