// Non-linearities; the formulas are at `op::Activation`. ACTIVATION is which: 0 none, 1 gelu_new, 2 gelu, 3 relu, 4 silu.
// Arguments of exp are bounded, so that no adapter makes an infinity of them; x itself stays a factor, so that a NaN
// stays one.
override ACTIVATION: u32 = 0u;

const EXP_MAX: f32 = 87.0;
const SQRT_2_OVER_PI: f32 = 0.7978845608;
const SQRT_HALF: f32 = 0.7071067812;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(clamp(-x, -EXP_MAX, EXP_MAX)));
}

// 1 + tanh(u) is 2 sigmoid(2 u), which loses no digits for negative u.
fn gelu_new(x: f32) -> f32 {
    return x * sigmoid(2.0 * SQRT_2_OVER_PI * (x + 0.044715 * x * x * x));
}

// Abramowitz & Stegun 7.1.26: |error| <= 1.5e-7. For 0 <= x: 1 - erf(x).
fn erfc_of_positive(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * x);
    let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return poly * exp(-min(x * x, EXP_MAX));
}

fn gelu(x: f32) -> f32 {
    let tail = erfc_of_positive(abs(x) * SQRT_HALF);
    return 0.5 * x * select(tail, 2.0 - tail, 0.0 <= x);
}

fn activation(x: f32) -> f32 {
    switch ACTIVATION {
        case 1u: { return gelu_new(x); }
        case 2u: { return gelu(x); }
        // Not `max`, which would turn a NaN into 0.
        case 3u: { return select(x, 0.0, x < 0.0); }
        case 4u: { return x * sigmoid(x); }
        default: { return x; }
    }
}
