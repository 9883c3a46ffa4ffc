// What each head writes by itself.
// einsum: pos head e, (head e) out -> pos head out
// CPU twin: backend/cpu/heads.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/weight.wgsl

struct Params {
    n: u32,
    n_heads: u32,
    d_head: u32,
    n_out: u32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>; // [pos head e]
@group(0) @binding(1) var<storage, read> w: array<u32>; // [(head e) out]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [pos head out]
@group(0) @binding(3) var<uniform> params: Params;

override W_ROWS_ARE_OUT: bool = false;

// w[row, col]
fn weight_at(row: u32, col: u32) -> f32 {
    let n_in = params.n_heads * params.d_head;
    let at = select(row * params.n_out + col, col * n_in + row, W_ROWS_ARE_OUT);
    return weight(w[word_of(at)], at);
}

@compute @workgroup_size(GROUP)
fn heads_out(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = i / params.n_out; // pos head
    let col = i % params.n_out;
    let first_row = row % params.n_heads * params.d_head; // w[head, :]
    var sum = 0.0;
    for (var e = 0u; e < params.d_head; e++) {
        sum += z[row * params.d_head + e] * weight_at(first_row + e, col);
    }
    y[i] = sum;
}
