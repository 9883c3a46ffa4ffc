// Slopes of the non-linearities in shared/activation.wgsl, which comes before; SLOPE is whose, by the same numbers.
override SLOPE: u32 = 0u;

const INV_SQRT_2_PI: f32 = 0.3989422804;
const SQUARE_MAX: f32 = 400.0; // Beyond, gelu_new is straight.

fn gelu_new_slope(x: f32) -> f32 {
    let s = sigmoid(2.0 * SQRT_2_OVER_PI * (x + 0.044715 * x * x * x));
    let inner_slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * min(x * x, SQUARE_MAX));
    return s + x * s * (1.0 - s) * inner_slope;
}

fn gelu_slope(x: f32) -> f32 {
    let tail = 0.5 * erfc_of_positive(abs(x) * SQRT_HALF);
    return select(tail, 1.0 - tail, 0.0 <= x) + x * INV_SQRT_2_PI * exp(-min(0.5 * x * x, EXP_MAX));
}

fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
}

fn slope(x: f32) -> f32 {
    switch SLOPE {
        case 1u: { return gelu_new_slope(x); }
        case 2u: { return gelu_slope(x); }
        // At 0 it is 0, as in torch.
        case 3u: { return select(0.0, 1.0, 0.0 < x); }
        case 4u: { return silu_slope(x); }
        default: { return 1.0; }
    }
}
