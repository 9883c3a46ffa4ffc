// The k largest entries over the last axis with their indices, largest first; ties go to the lower index.
// A row with a NaN becomes NaN throughout. Entries are bits, since no float may be assumed to be NaN.
// CPU twin: backend/cpu/top_k.rs. LANES invocations a row; k times the next largest.
// import: shared/one_lane.wgsl

struct Params {
    n_rows: u32,
    d: u32,
    k: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>; // [.. d]
@group(0) @binding(1) var<storage, read_write> y: array<u32>; // [.. k 2]
@group(0) @binding(2) var<uniform> params: Params;

const SIGN: u32 = 0x80000000u;
const INFINITE: u32 = 0x7f800000u;
const NOT_A_NUMBER: u32 = 0x7fc00000u;

// In the order of the floats; 0 is none of them.
fn key_of(bits: u32) -> u32 {
    return select(bits | SIGN, ~bits, SIGN <= bits);
}

@compute @workgroup_size(LANES, ROWS)
fn top_k(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    let first = row * params.d;
    var nan = 0u;
    for (var i = lane; i < params.d; i += LANES) {
        nan = max(nan, u32(INFINITE < (x[first + i] & ~SIGN)));
    }
    nan = max_lanes_u32(nan, lane, slot);
    var last_key = ~0u;
    var last_index = 0u;
    for (var nth = 0u; nth < params.k; nth++) {
        var key = 0u;
        var index = 0u;
        for (var i = lane; i < params.d; i += LANES) {
            let own_key = key_of(x[first + i]);
            let is_later = own_key < last_key || (own_key == last_key && last_index < i);
            if is_later && key < own_key {
                key = own_key;
                index = i;
            }
        }
        last_key = max_lanes_u32(key, lane, slot);
        // The lowest index is the largest complement.
        last_index = ~max_lanes_u32(select(0u, ~index, key == last_key), lane, slot);
        if lane == 0u && own == row {
            let at = 2u * (row * params.k + nth);
            let found = min(last_index, params.d - 1u);
            y[at] = select(x[first + found], NOT_A_NUMBER, 0u < nan);
            y[at + 1u] = bitcast<u32>(f32(select(found, nth, 0u < nan)));
        }
    }
}
