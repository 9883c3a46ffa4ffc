// Three products with one input, such as queries, keys and values, after one another in one buffer.
// einsum: m k, k n -> m n, three times
// CPU twin: kernel/src/gemm.rs. One tile a workgroup; the third axis of workgroups is which product.
// import: shared/weight.wgsl
// import: shared/register_tile.wgsl

struct Params {
    m: u32,
    k: u32,
    n: u32,
    stride: u32, // entries from one result to the next
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [m k]
@group(0) @binding(1) var<storage, read> w_q: array<u32>; // [k n]
@group(0) @binding(2) var<storage, read> w_k: array<u32>; // [k n]
@group(0) @binding(3) var<storage, read> w_v: array<u32>; // [k n]
@group(0) @binding(4) var<storage, read> b_q: array<f32>; // [n]
@group(0) @binding(5) var<storage, read> b_k: array<f32>; // [n]
@group(0) @binding(6) var<storage, read> b_v: array<f32>; // [n]
@group(0) @binding(7) var<storage, read_write> y: array<f32>; // [3 stride]
@group(0) @binding(8) var<uniform> params: Params;

const W_ROWS_ARE_OUT: bool = false;

// The same for all invocations of a workgroup.
var<private> which: u32;

fn x_at(row: u32, i: u32) -> f32 {
    return x[row * params.k + i];
}

fn w_at(i: u32, col: u32) -> f32 {
    let at = i * params.n + col;
    switch which {
        case 0u: { return weight(w_q[word_of(at)], at); }
        case 1u: { return weight(w_k[word_of(at)], at); }
        default: { return weight(w_v[word_of(at)], at); }
    }
}

fn bias_at(col: u32) -> f32 {
    switch which {
        case 0u: { return b_q[col]; }
        case 1u: { return b_k[col]; }
        default: { return b_v[col]; }
    }
}

fn store(row: u32, col: u32, sum: f32) {
    y[which * params.stride + row * params.n + col] = sum + bias_at(col);
}

@compute @workgroup_size(GROUP)
fn linear_qkv(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    which = in_grid(group).z;
    tile(group, local);
}
