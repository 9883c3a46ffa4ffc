// What each head gathers: its pattern applied to the values.
// einsum: head q k, k kv e -> q head e
// CPU twin: backend/cpu/attn_mix.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    n_q: u32,
    n_k: u32,
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
}

@group(0) @binding(0) var<storage, read> pattern: array<f32>; // [head q k]
@group(0) @binding(1) var<storage, read> v: array<f32>; // [k kv e]
@group(0) @binding(2) var<storage, read_write> z: array<f32>; // [q head e]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn attn_mix(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let e = i % params.d_head;
    let head = i / params.d_head % params.n_heads;
    let kv = head / (params.n_heads / params.n_kv_heads);
    let q_pos = i / (params.d_head * params.n_heads);
    let first = (head * params.n_q + q_pos) * params.n_k; // pattern[head, q_pos, :]
    var sum = 0.0;
    for (var k_pos = 0u; k_pos < params.n_k; k_pos++) {
        sum += pattern[first + k_pos] * v[(k_pos * params.n_kv_heads + kv) * params.d_head + e];
    }
    z[i] = sum;
}
