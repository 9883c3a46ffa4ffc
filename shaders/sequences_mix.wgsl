// What the heads of several sequences gather: their pattern applied to the values of a shared base, then to their own.
// einsum: row head key, key kv e -> row head e
// CPU twin: backend/cpu/attn_sequences.rs. One invocation an entry.
// import: shared/entries.wgsl

struct Params {
    n: u32,
    n_k: u32, // room for keys
    n_heads: u32,
    n_kv_heads: u32, // each serves as many heads as the quotient says
    d_head: u32,
}

@group(0) @binding(0) var<storage, read> pattern: array<f32>; // [row head key]
@group(0) @binding(1) var<storage, read> base: array<f32>; // [key kv e]
@group(0) @binding(2) var<storage, read> own: array<f32>; // [row kv e]
@group(0) @binding(3) var<storage, read> sequences: array<u32>; // of each row: keys of the base, then its sequence's first row
@group(0) @binding(4) var<storage, read_write> z: array<f32>; // [row head e]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn sequences_mix(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let width = params.n_heads * params.d_head;
    let row = i / width;
    let at = i % width; // head, e
    let head = at / params.d_head;
    let first = (row * params.n_heads + head) * params.n_k; // pattern[row, head, :]
    let kv_width = params.n_kv_heads * params.d_head;
    let kv_at = head / (params.n_heads / params.n_kv_heads) * params.d_head + at % params.d_head; // kv, e
    let n_past = sequences[2u * row];
    let start = sequences[2u * row + 1u];
    var sum = 0.0;
    for (var k = 0u; k < n_past; k++) {
        sum += pattern[first + k] * base[k * kv_width + kv_at];
    }
    for (var k = start; k <= row; k++) {
        sum += pattern[first + n_past + k - start] * own[k * kv_width + kv_at];
    }
    z[i] = sum;
}
