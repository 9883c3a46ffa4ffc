// A row in one invocation: `shared/lanes.wgsl` for adapters on which a barrier costs more than it saves.
// No workgroup memory either: to clear it takes a barrier.
override LANES: u32 = 1u;
override ROWS: u32 = 8u;

fn row_of(group: vec3<u32>, slot: u32) -> u32 {
    return nth_in_grid(group) * ROWS + slot;
}

fn sum_lanes(value: f32, lane: u32, slot: u32) -> f32 {
    return value;
}

fn max_lanes(value: f32, lane: u32, slot: u32) -> f32 {
    return value;
}

fn max_lanes_u32(value: u32, lane: u32, slot: u32) -> u32 {
    return value;
}

fn share_stores() {
}
