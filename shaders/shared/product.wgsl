// What linear.wgsl and linear_t.wgsl share: all but how the weights lie. Needs shared/activation.wgsl and shared/slope.wgsl.
// A part of the columns or a part of the sum at a time where the weights are too many for a binding.
struct Params {
    m: u32,
    k: u32, // terms of the sum in this part
    n: u32, // columns of this part
    n_all: u32, // columns of all parts
    first_col: u32,
    k_all: u32, // terms of the sum in all parts
    first_term: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // [m k_all]
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>; // [n_all]
@group(0) @binding(3) var<storage, read> other: array<f32>; // [m n_all]
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [m n_all]
@group(0) @binding(5) var<storage, read_write> pre: array<f32>; // [m n_all]
@group(0) @binding(6) var<uniform> params: Params;

override IS_FURTHER: bool = false; // y has the sum of the parts before
override HAS_B: bool = true;
override HAS_RESIDUAL: bool = false; // `other`, which is added
override KEEP_PRE: bool = false;

fn x_at(row: u32, i: u32) -> f32 {
    return x[row * params.k_all + params.first_term + i];
}

// The sum on its way out: bias, then a look at it, then the non-linearity, or the slope of one at `other`, or what it is
// added to.
fn store(row: u32, col: u32, sum: f32) {
    let at = row * params.n_all + params.first_col + col;
    var value = sum;
    if IS_FURTHER {
        value = y[at] + value;
    }
    if HAS_B {
        value += b[params.first_col + col];
    }
    if KEEP_PRE {
        pre[at] = value;
    }
    value = activation(value);
    if SLOPE != 0u {
        value *= slope(other[at]);
    }
    if HAS_RESIDUAL {
        value = other[at] + value;
    }
    y[at] = value;
}
