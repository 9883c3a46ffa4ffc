// A tile of a matrix product by one workgroup: TILE_ROWS by TILE_COLS, 16 steps of the sum at a time through workgroup
// memory (8 KiB at most), 4 by 4 entries an invocation. Same needs as `shared/register_tile.wgsl`, and W_ROWS_ARE_OUT.
override GROUP: u32 = 256u; // TILE_ROWS * TILE_COLS / 16
override TILE_ROWS: u32 = 64u;
override TILE_COLS: u32 = 64u;

const STEP: u32 = 16u;

var<workgroup> x_tile: array<f32, 1024>; // [STEP TILE_ROWS]
var<workgroup> w_tile: array<f32, 1024>; // [STEP TILE_COLS]

fn tile(group: vec3<u32>, local: u32) {
    let place = in_grid(group);
    let first_row = place.y * TILE_ROWS;
    let first_col = place.x * TILE_COLS;
    let row = local / (TILE_COLS / 4u) * 4u;
    let col = local % (TILE_COLS / 4u) * 4u;
    var sum_0 = vec4<f32>(); // over 4 columns, in the first row
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    for (var start = 0u; start < params.k; start += STEP) {
        for (var at = local; at < TILE_ROWS * STEP; at += GROUP) {
            load_x(first_row, start, at);
        }
        for (var at = local; at < TILE_COLS * STEP; at += GROUP) {
            load_w(first_col, start, at);
        }
        workgroupBarrier();
        for (var i = 0u; i < STEP; i++) {
            let w = i * TILE_COLS + col;
            let ws = vec4(w_tile[w], w_tile[w + 1u], w_tile[w + 2u], w_tile[w + 3u]);
            let x = i * TILE_ROWS + row;
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

// Entry `at` of a tile; zero outside. Neighbours read what is neighbouring in memory.
fn load_x(first_row: u32, start: u32, at: u32) {
    let along = vec2(at % STEP, at / STEP); // i, row
    let row = first_row + along.y;
    var value = 0.0;
    if row < params.m && start + along.x < params.k {
        value = x_at(row, start + along.x);
    }
    x_tile[along.x * TILE_ROWS + along.y] = value;
}

fn load_w(first_col: u32, start: u32, at: u32) {
    let along = vec2(at % STEP, at / STEP);
    let across = select(vec2(at / TILE_COLS, at % TILE_COLS), along, W_ROWS_ARE_OUT); // i, col
    let col = first_col + across.y;
    var value = 0.0;
    if col < params.n && start + across.x < params.k {
        value = w_at(start + across.x, col);
    }
    w_tile[across.x * TILE_COLS + across.y] = value;
}

fn store_row(row: u32, first_col: u32, sum: vec4<f32>) {
    if params.m <= row {
        return;
    }
    for (var c = 0u; c < 4u && first_col + c < params.n; c++) {
        store(row, first_col + c, sum[c]);
    }
}
