// Rotary positions: of each head, entries i and i + n_pairs turn by an angle of their own. `way` is -1 for the way back.
// CPU twin: backend/cpu/rotate.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    n_heads: u32,
    d_head: u32,
    n_pairs: u32,
    way: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [pos head e]
@group(0) @binding(1) var<storage, read> turns: array<f32>; // [pos (2 pair)]: cosines, then sines
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [pos head e]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn rotate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let e = i % params.d_head;
    if 2u * params.n_pairs <= e {
        y[i] = x[i];
        return;
    }
    let first = i / (params.d_head * params.n_heads) * 2u * params.n_pairs; // turns[pos, :]
    let cos = turns[first + e % params.n_pairs];
    let sin = params.way * turns[first + params.n_pairs + e % params.n_pairs];
    if e < params.n_pairs {
        y[i] = x[i] * cos - x[i + params.n_pairs] * sin;
    } else {
        y[i] = x[i] * cos + x[i - params.n_pairs] * sin;
    }
}
