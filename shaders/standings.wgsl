// How the chosen entry of each row stands: maximum, sum of exp(x - maximum), the entry itself, how many are larger.
// A row with an entry that is not finite has NaN for its maximum. Entries are bits, see shared/softmax_row.wgsl.
// CPU twin: backend/cpu/standings.rs. LANES invocations a row.
// import: shared/one_lane.wgsl

struct Params {
    n_rows: u32,
    d: u32,
    first_row: u32, // of this part
}

@group(0) @binding(0) var<storage, read> x: array<u32>; // [.. d]
@group(0) @binding(1) var<storage, read> chosen: array<u32>; // of all parts
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // [.. 4]
@group(0) @binding(3) var<uniform> params: Params;

const EXPONENT: u32 = 0x7f800000u; // all set in infinities and NaNs
const NOT_A_NUMBER: u32 = 0x7fc00000u;
const LOWEST: f32 = -0x1.fffffep+127f;
const BLOCK: u32 = 128u; // terms that are summed before they are added to the others: fewer digits are lost

@compute @workgroup_size(LANES, ROWS)
fn standings(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let slot = local.y;
    let own = row_of(group, slot);
    let row = min(own, params.n_rows - 1u); // All stay for the barriers; what lies outside looks at the last row and stores nothing.
    let first = row * params.d;
    let end = first + params.d;
    var top = LOWEST;
    var special = 0.0;
    for (var i = first + lane; i < end; i += LANES) {
        if (x[i] & EXPONENT) == EXPONENT {
            special = 1.0;
        } else {
            top = max(top, bitcast<f32>(x[i]));
        }
    }
    top = max_lanes(top, lane, slot);
    special = max_lanes(special, lane, slot);
    let entry = bitcast<f32>(x[first + chosen[params.first_row + row]]);
    var sum = 0.0;
    var n_larger = 0.0;
    for (var start = first + lane; start < end; start += BLOCK * LANES) {
        var part = 0.0;
        for (var i = start; i < min(start + BLOCK * LANES, end); i += LANES) {
            let value = bitcast<f32>(x[i]);
            part += exp(value - top);
            n_larger += select(0.0, 1.0, entry < value);
        }
        sum += part;
    }
    sum = sum_lanes(sum, lane, slot);
    n_larger = sum_lanes(n_larger, lane, slot);
    if lane == 0u && own == row {
        y[4u * row] = select(bitcast<u32>(top), NOT_A_NUMBER, 0.0 < special);
        y[4u * row + 1u] = bitcast<u32>(sum);
        y[4u * row + 2u] = bitcast<u32>(entry);
        y[4u * row + 3u] = bitcast<u32>(n_larger);
    }
}
