// Of heads_in.wgsl.
// einsum: pos head e, in (head e) -> pos head in
// CPU twin: backend/cpu/heads.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/weight.wgsl

struct Params {
    n: u32,
    n_heads: u32,
    n_in: u32,
    d_head: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // [pos head e]
@group(0) @binding(1) var<storage, read> w: array<u32>; // [in (head e)]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>; // [pos head in]
@group(0) @binding(3) var<uniform> params: Params;

override W_ROWS_ARE_OUT: bool = false;

// w[row, col]
fn weight_at(row: u32, col: u32) -> f32 {
    let width = params.n_heads * params.d_head;
    let at = select(row * width + col, col * params.n_in + row, W_ROWS_ARE_OUT);
    return weight(w[word_of(at)], at);
}

@compute @workgroup_size(GROUP)
fn heads_in_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = i / params.n_in; // pos head
    let first = row % params.n_heads * params.d_head; // w[in, head, :]
    var sum = 0.0;
    for (var e = 0u; e < params.d_head; e++) {
        sum += dy[row * params.d_head + e] * weight_at(i % params.n_in, first + e);
    }
    dx[i] = sum;
}
