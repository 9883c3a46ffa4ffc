// A product with weights that are stored like an embedding, with what follows it.
// einsum: m k, n k -> m n
// CPU twin: kernel/src/gemm.rs. One tile a workgroup.
// import: shared/activation.wgsl
// import: shared/slope.wgsl
// import: shared/product.wgsl
// import: shared/register_tile.wgsl

const W_ROWS_ARE_OUT: bool = true;

fn w_at(i: u32, col: u32) -> f32 {
    return w[col * params.k + i];
}

@compute @workgroup_size(GROUP)
fn linear_t(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    tile(group, local);
}
