// Of attn_mix.wgsl, towards the values; of attn_scores.wgsl, towards the keys, where a scale follows.
// einsum: head q k, q head e -> k kv e
// CPU twin: backend/cpu/attn_mix.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    n_q: u32,
    n_k: u32,
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
    by: f32,
}

@group(0) @binding(0) var<storage, read> pattern: array<f32>; // [head q k]
@group(0) @binding(1) var<storage, read> dz: array<f32>; // [q head e]
@group(0) @binding(2) var<storage, read_write> dv: array<f32>; // [k kv e]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn attn_mix_t(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let e = i % params.d_head;
    let kv = i / params.d_head % params.n_kv_heads;
    let k_pos = i / (params.d_head * params.n_kv_heads);
    let n_sharing = params.n_heads / params.n_kv_heads;
    var sum = 0.0;
    for (var head = kv * n_sharing; head < (kv + 1u) * n_sharing; head++) {
        for (var q_pos = 0u; q_pos < params.n_q; q_pos++) {
            let p = pattern[(head * params.n_q + q_pos) * params.n_k + k_pos];
            sum += p * dz[(q_pos * params.n_heads + head) * params.d_head + e];
        }
    }
    dv[i] = params.by * sum;
}
