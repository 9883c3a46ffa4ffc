// A tile of a matrix product in the registers of one invocation: 4 rows by 4 columns, the columns 64 apart, so that
// neighbours read neighbouring weights. No barrier: for adapters on which one costs more than it saves.
// Needs `x_at(row, i)`, `w_at(i, col)`, `store(row, col, sum)` and `params`.
override GROUP: u32 = 64u;

fn tile(group: vec3<u32>, local: u32) {
    let place = in_grid(group);
    let first_row = place.y * 4u;
    let first_col = place.x * 4u * GROUP + local;
    // What lies outside is computed again at the edge, and not stored.
    let rows = min(vec4(first_row) + vec4(0u, 1u, 2u, 3u), vec4(params.m - 1u));
    let cols = min(vec4(first_col) + vec4(0u, 1u, 2u, 3u) * GROUP, vec4(params.n - 1u));
    var sum_0 = vec4<f32>(); // over `rows`, in the first column
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    for (var i = 0u; i < params.k; i++) {
        let xs = vec4(x_at(rows.x, i), x_at(rows.y, i), x_at(rows.z, i), x_at(rows.w, i));
        sum_0 += xs * w_at(i, cols.x);
        sum_1 += xs * w_at(i, cols.y);
        sum_2 += xs * w_at(i, cols.z);
        sum_3 += xs * w_at(i, cols.w);
    }
    store_column(first_row, first_col, sum_0);
    store_column(first_row, first_col + GROUP, sum_1);
    store_column(first_row, first_col + 2u * GROUP, sum_2);
    store_column(first_row, first_col + 3u * GROUP, sum_3);
}

fn store_column(first_row: u32, col: u32, sum: vec4<f32>) {
    if params.n <= col {
        return;
    }
    for (var r = 0u; r < 4u && first_row + r < params.m; r++) {
        store(first_row + r, col, sum[r]);
    }
}
