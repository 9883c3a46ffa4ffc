// Rows of a table: y[i, :] = table[rows[i], :].
// The table comes two parts at a time, since one binding may be too small for all of it; rows of others are left alone.
// CPU twin: backend/cpu/rows.rs. One invocation an entry.
// import: shared/entries.wgsl
// import: shared/weight.wgsl

struct Params {
    n: u32,
    d: u32,
    n_low: u32, // rows of the first part
    n_high: u32, // rows of the second
    first: u32, // which row of the table is the first here
}

@group(0) @binding(0) var<storage, read> low: array<u32>; // [n_low d]
@group(0) @binding(1) var<storage, read> high: array<u32>; // [n_high d]
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [rows d]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn gather(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = rows[i / params.d] - params.first; // One before the first wraps around, beyond the last.
    if params.n_low + params.n_high <= row {
        return;
    }
    let col = i % params.d;
    if row < params.n_low {
        let at = row * params.d + col;
        y[i] = weight(low[word_of(at)], at);
    } else {
        let at = (row - params.n_low) * params.d + col;
        y[i] = weight(high[word_of(at)], at);
    }
}
