// A tile of a matrix product by one workgroup: 64 rows by 64 columns, 16 steps of the sum at a time through workgroup
// memory (8 KiB), 4 by 4 entries an invocation. Same needs as `shared/register_tile.wgsl`, and W_ROWS_ARE_OUT.
override GROUP: u32 = 256u;

const SIZE: u32 = 64u;
const STEP: u32 = 16u;

var<workgroup> x_tile: array<f32, 1024>; // [STEP SIZE]
var<workgroup> w_tile: array<f32, 1024>; // [STEP SIZE]

fn tile(group: vec3<u32>, local: u32) {
    let place = in_grid(group);
    let first_row = place.y * SIZE;
    let first_col = place.x * SIZE;
    let row = local / 16u * 4u;
    let col = local % 16u * 4u;
    var sum_0 = vec4<f32>(); // over 4 columns, in the first row
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    for (var start = 0u; start < params.k; start += STEP) {
        for (var at = local; at < SIZE * STEP; at += GROUP) {
            load(first_row, first_col, start, at);
        }
        workgroupBarrier();
        for (var i = 0u; i < STEP; i++) {
            let w = i * SIZE + col;
            let ws = vec4(w_tile[w], w_tile[w + 1u], w_tile[w + 2u], w_tile[w + 3u]);
            let x = i * SIZE + row;
            sum_0 += x_tile[x] * ws;
            sum_1 += x_tile[x + 1u] * ws;
            sum_2 += x_tile[x + 2u] * ws;
            sum_3 += x_tile[x + 3u] * ws;
        }
        workgroupBarrier();
    }
    store_row(first_row + row, first_col + col, sum_0);
    store_row(first_row + row + 1u, first_col + col, sum_1);
    store_row(first_row + row + 2u, first_col + col, sum_2);
    store_row(first_row + row + 3u, first_col + col, sum_3);
}

// Entry `at` of both tiles; zero outside. Neighbours read what is neighbouring in memory.
fn load(first_row: u32, first_col: u32, start: u32, at: u32) {
    let along = vec2(at % STEP, at / STEP); // i, row
    let x_row = first_row + along.y;
    var x_value = 0.0;
    if x_row < params.m && start + along.x < params.k {
        x_value = x_at(x_row, start + along.x);
    }
    x_tile[along.x * SIZE + along.y] = x_value;
    let across = select(vec2(at / SIZE, at % SIZE), along, W_ROWS_ARE_OUT); // i, col
    let w_col = first_col + across.y;
    var w_value = 0.0;
    if w_col < params.n && start + across.x < params.k {
        w_value = w_at(start + across.x, w_col);
    }
    w_tile[across.x * SIZE + across.y] = w_value;
}

fn store_row(row: u32, first_col: u32, sum: vec4<f32>) {
    if params.m <= row {
        return;
    }
    for (var c = 0u; c < 4u && first_col + c < params.n; c++) {
        store(row, first_col + c, sum[c]);
    }
}
