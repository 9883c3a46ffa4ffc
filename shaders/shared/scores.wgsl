// One attention score. Needs `q`, `k` and `params`.
// einsum: e, e -> (one entry of head q k)
fn score(head: u32, q_pos: u32, k_pos: u32) -> f32 {
    let query = (q_pos * params.n_heads + head) * params.d_head;
    let key = (k_pos * params.n_heads + head) * params.d_head;
    var dot = 0.0;
    for (var e = 0u; e < params.d_head; e++) {
        dot += q[query + e] * k[key + e];
    }
    return dot / params.scale;
}

// The queries are the last positions of the keys.
fn is_future(q_pos: u32, k_pos: u32) -> bool {
    return params.n_k - params.n_q + q_pos < k_pos;
}
