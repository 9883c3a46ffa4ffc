// The sum of two gathers, such as of tokens and positions: y[i, :] = low|high[rows[i], :] + other[other_rows[i], :].
// The first table comes two parts at a time, as in gather.wgsl; each summand is kept where somebody looks at it.
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
@group(0) @binding(3) var<storage, read> other: array<f32>; // [.. d]
@group(0) @binding(4) var<storage, read> other_rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>; // [rows d]
@group(0) @binding(6) var<storage, read_write> kept: array<f32>; // [rows d]
@group(0) @binding(7) var<storage, read_write> kept_other: array<f32>; // [rows d]
@group(0) @binding(8) var<uniform> params: Params;

override KEEP: bool = false;
override KEEP_OTHER: bool = false;

@compute @workgroup_size(GROUP)
fn embed(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = entry_of(group, local);
    if params.n <= i {
        return;
    }
    let row = rows[i / params.d] - params.first;
    if params.n_low + params.n_high <= row {
        return;
    }
    let col = i % params.d;
    var value = 0.0;
    if row < params.n_low {
        let at = row * params.d + col;
        value = weight(low[word_of(at)], at);
    } else {
        let at = (row - params.n_low) * params.d + col;
        value = weight(high[word_of(at)], at);
    }
    let other_value = other[other_rows[i / params.d] * params.d + col];
    if KEEP {
        kept[i] = value;
    }
    if KEEP_OTHER {
        kept_other[i] = other_value;
    }
    y[i] = value + other_value;
}
