// A product with weights, with what follows it.
// einsum: m k, k n -> m n
// CPU twin: kernel/src/gemm.rs. One tile a workgroup.
// import: shared/activation.wgsl
// import: shared/slope.wgsl
// import: shared/product.wgsl
// import: shared/register_tile.wgsl

const W_ROWS_ARE_OUT: bool = false;

fn w_at(i: u32, col: u32) -> f32 {
    return w[i * params.n + col];
}

@compute @workgroup_size(GROUP)
fn linear(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    tile(group, local);
}
