// Of heads_out.wgsl.
// einsum: pos head out, (head e) out -> pos head e
// CPU twin: backend/cpu/heads.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/weight.wgsl

struct Params {
    n: u32,
    n_heads: u32,
    d_head: u32,
    n_out: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>; // [pos head out]
@group(0) @binding(1) var<storage, read> w: array<u32>; // [(head e) out]
@group(0) @binding(2) var<storage, read_write> dz: array<f32>; // [pos head e]
@group(0) @binding(3) var<uniform> params: Params;

override W_ROWS_ARE_OUT: bool = false;

// w[row, col]
fn weight_at(row: u32, col: u32) -> f32 {
    let n_in = params.n_heads * params.d_head;
    let at = select(row * params.n_out + col, col * n_in + row, W_ROWS_ARE_OUT);
    return weight(w[word_of(at)], at);
}

@compute @workgroup_size(GROUP)
fn heads_out_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = i / params.d_head; // pos head
    let w_row = i % (params.n_heads * params.d_head); // head e
    var sum = 0.0;
    for (var col = 0u; col < params.n_out; col++) {
        sum += dy[row * params.n_out + col] * weight_at(w_row, col);
    }
    dz[i] = sum;
}
