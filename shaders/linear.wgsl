// A product with weights, with what follows it: bias, then a non-linearity or a sum.
// einsum: m k, k n -> m n
// CPU twin: kernel/src/gemm.rs. One tile a workgroup.
// import: shared/activation.wgsl
// import: shared/register_tile.wgsl

struct Params {
    m: u32,
    k: u32,
    n: u32, // columns of this part
    n_all: u32, // columns of all parts
    first_col: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [m k]
@group(0) @binding(1) var<storage, read> w: array<f32>; // [k n]
@group(0) @binding(2) var<storage, read> b: array<f32>; // [n_all]
@group(0) @binding(3) var<storage, read> residual: array<f32>; // [m n_all]
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [m n_all]
@group(0) @binding(5) var<storage, read_write> pre: array<f32>; // [m n_all]
@group(0) @binding(6) var<uniform> params: Params;

override HAS_B: bool = true;
override HAS_RESIDUAL: bool = false;
override KEEP_PRE: bool = false;

const W_ROWS_ARE_OUT: bool = false;

fn x_at(row: u32, i: u32) -> f32 {
    return x[row * params.k + i];
}

fn w_at(i: u32, col: u32) -> f32 {
    return w[i * params.n + col];
}

// The sum on its way out: bias, then a look at it, then the non-linearity or what it is added to.
fn store(row: u32, col: u32, sum: f32) {
    let at = row * params.n_all + params.first_col + col;
    var value = sum;
    if HAS_B {
        value += b[params.first_col + col];
    }
    if KEEP_PRE {
        pre[at] = value;
    }
    value = activation(value);
    if HAS_RESIDUAL {
        value = residual[at] + value;
    }
    y[at] = value;
}

@compute @workgroup_size(GROUP)
fn linear(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    tile(group, local);
}
