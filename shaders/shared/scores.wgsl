// One attention score. Needs `q`, `k` and `params`.
// einsum: e, e -> (one entry of head q k)
fn score(head: u32, q_pos: u32, k_pos: u32) -> f32 {
    let query = (q_pos * params.n_heads + head) * params.d_head;
    let kv = head / (params.n_heads / params.n_kv_heads);
    let key = (k_pos * params.n_kv_heads + kv) * params.d_head;
    var dot = 0.0;
    for (var e = 0u; e < params.d_head; e++) {
        dot += q[query + e] * k[key + e];
    }
    return dot / params.scale;
}

// Whether the key comes after the query, or too long before it. The queries are the last positions of the keys.
fn is_hidden(q_pos: u32, k_pos: u32) -> bool {
    let own = params.n_k - params.n_q + q_pos;
    return own < k_pos || params.window <= own - k_pos;
}
