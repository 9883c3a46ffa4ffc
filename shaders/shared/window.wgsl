// Which workgroups of the grid a dispatch makes: long work is cut. In front of every shader.
struct Window {
    first: vec3<u32>,
    n_x: u32, // workgroups along the first axis of the whole grid
}

@group(0) @binding(15) var<uniform> window: Window;

// A workgroup's place in the whole grid.
fn in_grid(group: vec3<u32>) -> vec3<u32> {
    return group + window.first;
}

// The same in a grid that is one long row, laid over two axes.
fn nth_in_grid(group: vec3<u32>) -> u32 {
    let whole = in_grid(group);
    return whole.y * window.n_x + whole.x;
}
