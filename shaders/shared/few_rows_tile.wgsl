// A tile of a matrix product with few rows: 4 rows by 16 columns a workgroup, each sum cut in 16 parts, so that there is
// work for a whole device. Same needs as `shared/register_tile.wgsl`.
override GROUP: u32 = 256u;

const COLS: u32 = 16u;
const PARTS: u32 = 16u;

var<workgroup> sums: array<vec4<f32>, 256>; // over 4 rows; [PARTS COLS]

fn tile(group: vec3<u32>, local: u32) {
    let place = in_grid(group);
    let first_row = place.y * 4u;
    let part = local / COLS;
    let col = place.x * COLS + local % COLS;
    let rows = min(vec4(first_row) + vec4(0u, 1u, 2u, 3u), vec4(params.m - 1u));
    let inside = min(col, params.n - 1u);
    var sum = vec4<f32>();
    for (var i = part; i < params.k; i += PARTS) {
        let xs = vec4(x_at(rows.x, i), x_at(rows.y, i), x_at(rows.z, i), x_at(rows.w, i));
        sum += xs * w_at(i, inside);
    }
    sums[local] = sum;
    workgroupBarrier();
    for (var n = PARTS / 2u; 0u < n; n /= 2u) {
        if part < n {
            sums[local] += sums[local + n * COLS];
        }
        workgroupBarrier();
    }
    let total = sums[local % COLS];
    // One invocation a row.
    if part < 4u && first_row + part < params.m && col < params.n {
        store(first_row + part, col, total[part]);
    }
}
