// A row shared by LANES invocations: sums and maxima over them, by halving. LANES is a power of two.
// `shared/one_lane.wgsl` is the same without barriers.
override LANES: u32 = 64u;
override ROWS: u32 = 1u;

var<workgroup> per_lane: array<f32, 256>; // [ROWS LANES]

fn row_of(group: vec3<u32>, slot: u32) -> u32 {
    return nth_in_grid(group) * ROWS + slot;
}

fn sum_lanes(value: f32, lane: u32, slot: u32) -> f32 {
    let at = slot * LANES + lane;
    per_lane[at] = value;
    workgroupBarrier();
    for (var n = LANES / 2u; 0u < n; n /= 2u) {
        if lane < n {
            per_lane[at] += per_lane[at + n];
        }
        workgroupBarrier();
    }
    let sum = per_lane[slot * LANES];
    workgroupBarrier();
    return sum;
}

fn max_lanes(value: f32, lane: u32, slot: u32) -> f32 {
    let at = slot * LANES + lane;
    per_lane[at] = value;
    workgroupBarrier();
    for (var n = LANES / 2u; 0u < n; n /= 2u) {
        if lane < n {
            per_lane[at] = max(per_lane[at], per_lane[at + n]);
        }
        workgroupBarrier();
    }
    let top = per_lane[slot * LANES];
    workgroupBarrier();
    return top;
}

var<workgroup> per_lane_u32: array<u32, 256>; // [ROWS LANES]

fn max_lanes_u32(value: u32, lane: u32, slot: u32) -> u32 {
    let at = slot * LANES + lane;
    per_lane_u32[at] = value;
    workgroupBarrier();
    for (var n = LANES / 2u; 0u < n; n /= 2u) {
        if lane < n {
            per_lane_u32[at] = max(per_lane_u32[at], per_lane_u32[at + n]);
        }
        workgroupBarrier();
    }
    let top = per_lane_u32[slot * LANES];
    workgroupBarrier();
    return top;
}

// What the lanes have stored is seen by all of them.
fn share_stores() {
    storageBarrier();
}
