// Attention of a query position by a head, backwards: attn_dots.wgsl, softmax_dx.wgsl, and attn_mix.wgsl with the keys,
// scaled, which is the gradient of the queries.
// einsum: q head e, k kv e -> head q k, then head q k, k kv e -> q head e
// The gradient of the scores is always written, since it is what the lanes share; that of the pattern where somebody
// looks at it.
// CPU twin: backend/cpu/attn_scores.rs. LANES invocations a row of the pattern.
// import: shared/one_lane.wgsl

struct Params {
    n_rows: u32, // heads times queries
    n_q: u32,
    n_k: u32,
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
    by: f32,
}

@group(0) @binding(0) var<storage, read> pattern: array<f32>; // [head q k]
@group(0) @binding(1) var<storage, read> dz: array<f32>; // [q head e]
@group(0) @binding(2) var<storage, read> v: array<f32>; // [k kv e]
@group(0) @binding(3) var<storage, read> k: array<f32>; // [k kv e]
@group(0) @binding(4) var<storage, read_write> dq: array<f32>; // [q head e]
@group(0) @binding(5) var<storage, read_write> d_scores: array<f32>; // [head q k]
@group(0) @binding(6) var<storage, read_write> d_pattern: array<f32>; // [head q k]
@group(0) @binding(7) var<uniform> params: Params;

override KEEP_D_PATTERN: bool = false;

@compute @workgroup_size(LANES, ROWS)
fn attention_dx(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let row = row_of(group, local.y);
    let head = row / params.n_q;
    let kv = head / (params.n_heads / params.n_kv_heads);
    let first = row * params.n_k; // pattern[head, q_pos, :]
    let own = (row % params.n_q * params.n_heads + head) * params.d_head; // dz[q_pos, head, :]
    // All stay for the barriers; what lies outside has a row without entries.
    let is_inside = row < params.n_rows;
    let n = select(0u, params.n_k, is_inside);
    var sum = 0.0;
    for (var k_pos = lane; k_pos < n; k_pos += LANES) {
        let value = (k_pos * params.n_kv_heads + kv) * params.d_head; // v[k_pos, kv, :]
        var dot = 0.0;
        for (var e = 0u; e < params.d_head; e++) {
            dot += dz[own + e] * v[value + e];
        }
        d_scores[first + k_pos] = dot;
        if KEEP_D_PATTERN {
            d_pattern[first + k_pos] = dot;
        }
        sum += pattern[first + k_pos] * dot;
    }
    sum = sum_lanes(sum, lane, local.y);
    for (var k_pos = lane; k_pos < n; k_pos += LANES) {
        d_scores[first + k_pos] = pattern[first + k_pos] * (d_scores[first + k_pos] - sum);
    }
    share_stores();
    for (var e = select(params.d_head, lane, is_inside); e < params.d_head; e += LANES) {
        var mixed = 0.0;
        for (var k_pos = 0u; k_pos < params.n_k; k_pos++) {
            mixed += d_scores[first + k_pos] * k[(k_pos * params.n_kv_heads + kv) * params.d_head + e];
        }
        dq[own + e] = params.by * mixed;
    }
}
