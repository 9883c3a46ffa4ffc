// cap tanh(x / cap), entry by entry; -inf stays what it is. Entries are bits, see shared/softmax_row.wgsl.
// CPU twin: backend/cpu/soft_cap.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    cap: f32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

const EXPONENT: u32 = 0x7f800000u; // all set in infinities and NaNs
const STRAIGHT: f32 = 20.0; // tanh is 1 beyond

@compute @workgroup_size(GROUP)
fn soft_cap(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let bits = x[i];
    if (bits & EXPONENT) == EXPONENT {
        // Of what is not finite, only +inf becomes finite.
        y[i] = select(bits, bitcast<u32>(params.cap), bits == EXPONENT);
    } else {
        y[i] = bitcast<u32>(params.cap * tanh(clamp(bitcast<f32>(bits) / params.cap, -STRAIGHT, STRAIGHT)));
    }
}
