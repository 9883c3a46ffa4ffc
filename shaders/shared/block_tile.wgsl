// A tile of a matrix product in the registers of one invocation: 16 rows by 16 columns, four terms of each sum at a time.
// No barrier, and eight times fewer reads for each multiplication than `shared/register_tile.wgsl`: for adapters on which a
// read costs more than arithmetic, and registers are memory anyway. Same needs.
override GROUP: u32 = 8u;

const STEPS: vec4<u32> = vec4(0u, 1u, 2u, 3u);

fn tile(group: vec3<u32>, local: u32) {
    let place = in_grid(group);
    let row = place.y * 16u;
    let col = (place.x * GROUP + local) * 16u;
    let rows_0 = rows_from(row);
    let rows_1 = rows_from(row + 4u);
    let rows_2 = rows_from(row + 8u);
    let rows_3 = rows_from(row + 12u);
    let cols_0 = cols_from(col);
    let cols_1 = cols_from(col + 4u);
    let cols_2 = cols_from(col + 8u);
    let cols_3 = cols_from(col + 12u);
    // sum_12[r][c] is of row 4 + r and column 8 + c.
    var sum_00 = mat4x4<f32>();
    var sum_01 = mat4x4<f32>();
    var sum_02 = mat4x4<f32>();
    var sum_03 = mat4x4<f32>();
    var sum_10 = mat4x4<f32>();
    var sum_11 = mat4x4<f32>();
    var sum_12 = mat4x4<f32>();
    var sum_13 = mat4x4<f32>();
    var sum_20 = mat4x4<f32>();
    var sum_21 = mat4x4<f32>();
    var sum_22 = mat4x4<f32>();
    var sum_23 = mat4x4<f32>();
    var sum_30 = mat4x4<f32>();
    var sum_31 = mat4x4<f32>();
    var sum_32 = mat4x4<f32>();
    var sum_33 = mat4x4<f32>();
    for (var i = 0u; i < params.k; i += 4u) {
        let terms = min(i + STEPS, vec4(params.k - 1u));
        let is_inside = i + STEPS < vec4(params.k);
        let w_0 = w_block(terms, cols_0);
        let w_1 = w_block(terms, cols_1);
        let w_2 = w_block(terms, cols_2);
        let w_3 = w_block(terms, cols_3);
        let x_0 = x_block(rows_0, terms, is_inside);
        sum_00 += w_0 * x_0;
        sum_01 += w_1 * x_0;
        sum_02 += w_2 * x_0;
        sum_03 += w_3 * x_0;
        let x_1 = x_block(rows_1, terms, is_inside);
        sum_10 += w_0 * x_1;
        sum_11 += w_1 * x_1;
        sum_12 += w_2 * x_1;
        sum_13 += w_3 * x_1;
        let x_2 = x_block(rows_2, terms, is_inside);
        sum_20 += w_0 * x_2;
        sum_21 += w_1 * x_2;
        sum_22 += w_2 * x_2;
        sum_23 += w_3 * x_2;
        let x_3 = x_block(rows_3, terms, is_inside);
        sum_30 += w_0 * x_3;
        sum_31 += w_1 * x_3;
        sum_32 += w_2 * x_3;
        sum_33 += w_3 * x_3;
    }
    store_blocks(row, col, sum_00, sum_01, sum_02, sum_03);
    store_blocks(row + 4u, col, sum_10, sum_11, sum_12, sum_13);
    store_blocks(row + 8u, col, sum_20, sum_21, sum_22, sum_23);
    store_blocks(row + 12u, col, sum_30, sum_31, sum_32, sum_33);
}

// What lies outside is computed again at the edge, and not stored.
fn rows_from(first: u32) -> vec4<u32> {
    return min(first + STEPS, vec4(params.m - 1u));
}

fn cols_from(first: u32) -> vec4<u32> {
    return min(first + STEPS, vec4(params.n - 1u));
}

// [row term]; 0 where the sum has ended.
fn x_block(rows: vec4<u32>, terms: vec4<u32>, is_inside: vec4<bool>) -> mat4x4<f32> {
    return mat4x4(
        select(vec4<f32>(), x_terms(rows.x, terms), is_inside),
        select(vec4<f32>(), x_terms(rows.y, terms), is_inside),
        select(vec4<f32>(), x_terms(rows.z, terms), is_inside),
        select(vec4<f32>(), x_terms(rows.w, terms), is_inside),
    );
}

fn x_terms(row: u32, terms: vec4<u32>) -> vec4<f32> {
    return vec4(x_at(row, terms.x), x_at(row, terms.y), x_at(row, terms.z), x_at(row, terms.w));
}

// [term col]
fn w_block(terms: vec4<u32>, cols: vec4<u32>) -> mat4x4<f32> {
    return mat4x4(w_cols(terms.x, cols), w_cols(terms.y, cols), w_cols(terms.z, cols), w_cols(terms.w, cols));
}

fn w_cols(i: u32, cols: vec4<u32>) -> vec4<f32> {
    return vec4(w_at(i, cols.x), w_at(i, cols.y), w_at(i, cols.z), w_at(i, cols.w));
}

fn store_blocks(
    row: u32,
    col: u32,
    sum_0: mat4x4<f32>,
    sum_1: mat4x4<f32>,
    sum_2: mat4x4<f32>,
    sum_3: mat4x4<f32>,
) {
    store_block(row, col, sum_0);
    store_block(row, col + 4u, sum_1);
    store_block(row, col + 8u, sum_2);
    store_block(row, col + 12u, sum_3);
}

fn store_block(row: u32, col: u32, sum: mat4x4<f32>) {
    store_row(row, col, sum[0]);
    store_row(row + 1u, col, sum[1]);
    store_row(row + 2u, col, sum[2]);
    store_row(row + 3u, col, sum[3]);
}

fn store_row(row: u32, first_col: u32, sum: vec4<f32>) {
    if params.m <= row {
        return;
    }
    for (var c = 0u; c < 4u && first_col + c < params.n; c++) {
        store(row, first_col + c, sum[c]);
    }
}
