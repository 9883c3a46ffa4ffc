// Softmax of `pattern[start..start + n]` in place, by the lanes that share the row.
// Entries are bits: a compiler may assume that no float is infinite or NaN, but not that no integer is.
const MASKED: u32 = 0xff800000u;  // -inf
const NOT_A_NUMBER: u32 = 0x7fc00000u;
const EXPONENT: u32 = 0x7f800000u; // all set in infinities and NaNs
const LOWEST: f32 = -0x1.fffffep+127f;

// A row that is masked throughout becomes 0; one with a NaN or +inf becomes NaN, as in the CPU twin.
fn softmax_row(start: u32, n: u32, lane: u32, slot: u32) {
    var top = LOWEST;
    var special = 0.0;
    for (var i = start + lane; i < start + n; i += LANES) {
        let bits = pattern[i];
        if bits == MASKED {
            continue;
        }
        if (bits & EXPONENT) == EXPONENT {
            special = 1.0;
        } else {
            top = max(top, bitcast<f32>(bits));
        }
    }
    top = max_lanes(top, lane, slot);
    special = max_lanes(special, lane, slot);
    var sum = 0.0;
    for (var i = start + lane; i < start + n; i += LANES) {
        let bits = pattern[i];
        var e = 0.0;
        if (bits & EXPONENT) != EXPONENT {
            e = exp(bitcast<f32>(bits) - top);
        }
        pattern[i] = bitcast<u32>(e);
        sum += e;
    }
    sum = sum_lanes(sum, lane, slot);
    for (var i = start + lane; i < start + n; i += LANES) {
        let p = select(0.0, bitcast<f32>(pattern[i]) / sum, 0.0 < sum);
        pattern[i] = select(bitcast<u32>(p), NOT_A_NUMBER, 0.0 < special);
    }
}
