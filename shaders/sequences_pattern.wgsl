// Where the rows of several sequences look: scores against the keys of a shared base, then against their own, and softmax.
// einsum: row head e, key kv e -> row head key
// CPU twin: backend/cpu/attn_sequences.rs. LANES invocations a row of the result; behind its last key nothing is written.
// import: shared/one_lane.wgsl
// import: shared/softmax_row.wgsl

struct Params {
    n_rows: u32, // of the result: rows times heads
    n_k: u32, // room for keys
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
    scale: f32,
    window: u32, // keys that a query sees
}

@group(0) @binding(0) var<storage, read> q: array<f32>; // [row head e]
@group(0) @binding(1) var<storage, read> base: array<f32>; // [key kv e]
@group(0) @binding(2) var<storage, read> own: array<f32>; // [row kv e]
@group(0) @binding(3) var<storage, read> sequences: array<u32>; // of each row: keys of the base, then its sequence's first row
@group(0) @binding(4) var<storage, read_write> pattern: array<u32>; // [row head key]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(LANES, ROWS)
fn sequences_pattern(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let nth = row_of(group, local.y);
    // All stay for the barriers; what lies outside has a row without entries.
    let is_inside = nth < params.n_rows;
    let row = min(nth, params.n_rows - 1u) / params.n_heads;
    let head = nth % params.n_heads;
    let n_past = sequences[2u * row];
    let start = sequences[2u * row + 1u];
    let n = select(0u, n_past + row - start + 1u, is_inside);
    let first = nth * params.n_k; // pattern[row, head, :]
    let query = (row * params.n_heads + head) * params.d_head;
    let kv = head / (params.n_heads / params.n_kv_heads);
    for (var i = local.x; i < n; i += LANES) {
        if params.window <= n - 1u - i {
            pattern[first + i] = MASKED;
            continue;
        }
        var dot = 0.0;
        if i < n_past {
            let key = (i * params.n_kv_heads + kv) * params.d_head;
            for (var e = 0u; e < params.d_head; e++) {
                dot += q[query + e] * base[key + e];
            }
        } else {
            let key = ((start + i - n_past) * params.n_kv_heads + kv) * params.d_head;
            for (var e = 0u; e < params.d_head; e++) {
                dot += q[query + e] * own[key + e];
            }
        }
        pattern[first + i] = bitcast<u32>(dot / params.scale);
    }
    softmax_row(first, n, local.x, local.y);
}
