// Attention of a query position by a head: attn_scores.wgsl, softmax.wgsl and attn_mix.wgsl in one.
// einsum: q head e, k kv e -> head q k, then head q k, k kv e -> q head e
// The pattern is always written, since it is what the lanes share; the scores where somebody looks at them.
// CPU twin: backend/cpu/attn_scores.rs. LANES invocations a row of the pattern.
// import: shared/one_lane.wgsl
// import: shared/scores.wgsl
// import: shared/softmax_row.wgsl

struct Params {
    n_rows: u32, // heads times queries
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
@group(0) @binding(2) var<storage, read> v: array<f32>; // [k kv e]
@group(0) @binding(3) var<storage, read_write> z: array<f32>; // [q head e]
@group(0) @binding(4) var<storage, read_write> pattern: array<u32>; // [head q k]
@group(0) @binding(5) var<storage, read_write> scores: array<u32>; // [head q k]
@group(0) @binding(6) var<uniform> params: Params;

override KEEP_SCORES: bool = false;

@compute @workgroup_size(LANES, ROWS)
fn attention(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let row = row_of(group, local.y);
    let head = row / params.n_q;
    let q_pos = row % params.n_q;
    let kv = head / (params.n_heads / params.n_kv_heads);
    let first = row * params.n_k; // pattern[head, q_pos, :]
    // All stay for the barriers; what lies outside has a row without entries.
    let is_inside = row < params.n_rows;
    let n = select(0u, params.n_k, is_inside);
    for (var k_pos = lane; k_pos < n; k_pos += LANES) {
        var bits = MASKED;
        if !is_hidden(q_pos, k_pos) {
            bits = bitcast<u32>(score(head, q_pos, k_pos));
        }
        pattern[first + k_pos] = bits;
        if KEEP_SCORES {
            scores[first + k_pos] = bits;
        }
    }
    softmax_row(first, n, lane, local.y);
    share_stores();
    for (var e = select(params.d_head, lane, is_inside); e < params.d_head; e += LANES) {
        var sum = 0.0;
        for (var k_pos = 0u; k_pos < params.n_k; k_pos++) {
            sum += bitcast<f32>(pattern[first + k_pos]) * v[(k_pos * params.n_kv_heads + kv) * params.d_head + e];
        }
        z[(q_pos * params.n_heads + head) * params.d_head + e] = sum;
    }
}
