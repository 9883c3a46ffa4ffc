// A row shared by LANES invocations: `shared/lanes.wgsl` where the adapter has subgroups, with two barriers instead of many.
// Each subgroup goes over what all lanes have brought, and adds that up by itself. So it does not matter how large subgroups
// are, nor which invocations are in one, which WGSL leaves open.
override LANES: u32 = 64u;
override ROWS: u32 = 1u; // No more, so that no subgroup is in two rows.

var<workgroup> per_lane: array<f32, 256>; // [LANES]

fn row_of(group: vec3<u32>, slot: u32) -> u32 {
    return nth_in_grid(group) * ROWS + slot;
}

fn sum_lanes(value: f32, lane: u32, slot: u32) -> f32 {
    let nth = subgroupExclusiveAdd(1u); // in its subgroup
    let size = subgroupAdd(1u);
    per_lane[lane] = value;
    workgroupBarrier();
    var part = 0.0;
    for (var i = nth; i < LANES; i += size) {
        part += per_lane[i];
    }
    workgroupBarrier();
    return subgroupAdd(part);
}

fn max_lanes(value: f32, lane: u32, slot: u32) -> f32 {
    let nth = subgroupExclusiveAdd(1u);
    let size = subgroupAdd(1u);
    per_lane[lane] = value;
    workgroupBarrier();
    var top = value;
    for (var i = nth; i < LANES; i += size) {
        top = max(top, per_lane[i]);
    }
    workgroupBarrier();
    return subgroupMax(top);
}

var<workgroup> per_lane_u32: array<u32, 256>; // [LANES]

fn max_lanes_u32(value: u32, lane: u32, slot: u32) -> u32 {
    let nth = subgroupExclusiveAdd(1u);
    let size = subgroupAdd(1u);
    per_lane_u32[lane] = value;
    workgroupBarrier();
    var top = value;
    for (var i = nth; i < LANES; i += size) {
        top = max(top, per_lane_u32[i]);
    }
    workgroupBarrier();
    return subgroupMax(top);
}

// What the lanes have stored is seen by all of them.
fn share_stores() {
    storageBarrier();
}
