// Attention scores: q.k / scale, masked with -inf.
// einsum: q head e, k kv e -> head q k
// CPU twin: backend/cpu/attn_scores.rs. One invocation an entry; entries are bits, since no float may be written as -inf.
// import: shared/entries.wgsl
// import: shared/scores.wgsl

struct Params {
    n: u32,
    n_q: u32,
    n_k: u32,
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
    scale: f32,
    window: u32, // keys that a query sees
}

@group(0) @binding(0) var<storage, read> q: array<f32>; // [q head e]
@group(0) @binding(1) var<storage, read> k: array<f32>; // [k kv e]
@group(0) @binding(2) var<storage, read_write> scores: array<u32>; // [head q k]
@group(0) @binding(3) var<uniform> params: Params;

const MASKED: u32 = 0xff800000u; // -inf

@compute @workgroup_size(GROUP)
fn attn_scores(
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
    if is_hidden(q_pos, k_pos) {
        scores[i] = MASKED;
    } else {
        scores[i] = bitcast<u32>(score(head, q_pos, k_pos));
    }
}
