// Each head reads its own input.
// einsum: pos head in, in (head e) -> pos head e
// CPU twin: backend/cpu/heads.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/weight.wgsl

struct Params {
    n: u32,
    n_heads: u32,
    n_in: u32,
    d_head: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [pos head in]
@group(0) @binding(1) var<storage, read> w: array<u32>; // [in (head e)]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [pos head e]
@group(0) @binding(3) var<uniform> params: Params;

override W_ROWS_ARE_OUT: bool = false;

// w[row, col]
fn weight_at(row: u32, col: u32) -> f32 {
    let width = params.n_heads * params.d_head;
    let at = select(row * width + col, col * params.n_in + row, W_ROWS_ARE_OUT);
    return weight(w[word_of(at)], at);
}

@compute @workgroup_size(GROUP)
fn heads_in(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = i / params.d_head; // pos head
    let col = i % (params.n_heads * params.d_head); // head e
    var sum = 0.0;
    for (var c = 0u; c < params.n_in; c++) {
        sum += x[row * params.n_in + c] * weight_at(c, col);
    }
    y[i] = sum;
}
