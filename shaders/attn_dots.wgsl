// Of attn_mix.wgsl, towards the pattern; not masked.
// einsum: q head e, k kv e -> head q k
// CPU twin: backend/cpu/attn_scores.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    n_q: u32,
    n_k: u32,
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
}

@group(0) @binding(0) var<storage, read> dz: array<f32>; // [q head e]
@group(0) @binding(1) var<storage, read> v: array<f32>; // [k kv e]
@group(0) @binding(2) var<storage, read_write> d_pattern: array<f32>; // [head q k]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn attn_dots(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let k_pos = i % params.n_k;
    let q_pos = i / params.n_k % params.n_q;
    let head = i / (params.n_k * params.n_q);
    let query = (q_pos * params.n_heads + head) * params.d_head; // dz[q_pos, head, :]
    let kv = head / (params.n_heads / params.n_kv_heads);
    let key = (k_pos * params.n_kv_heads + kv) * params.d_head; // v[k_pos, kv, :]
    var dot = 0.0;
    for (var e = 0u; e < params.d_head; e++) {
        dot += dz[query + e] * v[key + e];
    }
    d_pattern[i] = dot;
}
