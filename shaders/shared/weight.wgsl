// Entries of a weight as it is stored: W_FORMAT is 0 for f32, 1 for f16 and 2 for bf16, the narrow ones two a word.
// f16 is widened by hand, since an adapter may take its subnormal values for 0.
override W_FORMAT: u32 = 0u;

// Which word entry `at` is in.
fn word_of(at: u32) -> u32 {
    return select(at / 2u, at, W_FORMAT == 0u);
}

// Entry `at`, from its word.
fn weight(word: u32, at: u32) -> f32 {
    if W_FORMAT == 0u {
        return bitcast<f32>(word);
    }
    let half = (word >> (16u * (at % 2u))) & 0xffffu;
    if W_FORMAT == 2u {
        return bitcast<f32>(half << 16u);
    }
    let magnitude = half & 0x7fffu;
    let normal = bitcast<f32>((magnitude << 13u) + 0x38000000u);
    let value = select(normal, f32(magnitude) * 0x1p-24f, magnitude < 0x400u);
    return select(value, -value, magnitude != half);
}
