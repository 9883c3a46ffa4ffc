//! What goes wrong on a device becomes an error in words, never a panic.

use half::{bf16, f16};

use super::*;
use crate::backend::{backward::Backward as _, checked::Checked};

/// A device, or none where there is no adapter: the integration tests are the ones that insist on it.
fn device() -> Option<Checked<WebGpu>> {
    let opened = pollster::block_on(WebGpu::open());
    opened.map(Checked).map_err(|error| eprintln!("SKIPPED, nothing is tested: {error}")).ok()
}

fn two(b: &Checked<WebGpu>) -> GpuTensor {
    b.upload("two", HostTensor::full(vec![2, 3], 2.0)).expect("fits")
}

fn message(result: Result<HostTensor, BackendError>) -> String {
    match result {
        Err(BackendError::Device { backend: "webgpu", message }) => message,
        other => panic!("{other:?} is no error of a device"),
    }
}

#[test]
fn a_device_that_is_gone_is_an_error_at_each_reading() {
    let Some(b) = device() else { return };
    let (x, sum) = (two(&b), b.add(&two(&b), &two(&b)).expect("fits"));
    b.0.0.device.device.destroy();
    for tensor in [&x, &sum] {
        assert!(!message(pollster::block_on(b.read(tensor))).is_empty());
    }
    // Recording and moving values still work, and what comes of it is an error again.
    let late = b.add(&two(&b), &x).expect("is recorded");
    assert!(!message(pollster::block_on(b.read(&late))).is_empty());
}

#[test]
fn what_the_device_says_aside_comes_out_at_the_next_reading_once() {
    let Some(b) = device() else { return };
    let device = &b.0.0.device;
    drop(device.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("more than there is"),
        size: device.max_buffer_bytes + 4,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    }));
    let x = two(&b);
    let said = message(pollster::block_on(b.read(&x)));
    assert!(said.contains("not valid") || said.contains("out of memory"), "{said}");
    assert_eq!(pollster::block_on(b.read(&x)), Ok(HostTensor::full(vec![2, 3], 2.0)));
}

#[test]
fn a_value_larger_than_any_buffer_is_refused_before_it_is_made() {
    let Some(b) = device() else { return };
    let n = b.0.0.device.max_buffer_bytes as usize / size_of::<f32>() + 1;
    let Inner { device, pool, .. } = &*b.0.0;
    let error = pool.take(device, "logits", n).expect_err("too large");
    assert!(error.to_string().contains("logits takes"), "{error}");
}

#[test]
fn values_larger_than_a_chunk_arrive_whole() {
    let Some(b) = device() else { return };
    let n = (40 << 20) / size_of::<f32>() + 3;
    let host = HostTensor::new(vec![n], (0..n).map(|at| at as f32).collect()).expect("filled");
    let x = b.upload("large", host.clone()).expect("fits");
    assert_eq!(pollster::block_on(b.read(&x)), Ok(host));
}

/// Sizes of a weight: no multiples of anything.
const ROWS: usize = 37;
const COLS: usize = 45;
const N_HEADS: usize = 3;

/// Every product with a weight, read as bits.
fn products(b: &WebGpu, w_in: &GpuMatrix, w_out: &GpuMatrix, n_pos: usize) -> Vec<Vec<u32>> {
    let host = |shape: Vec<usize>| {
        let data = (0..shape.iter().product()).map(|at: usize| (at as f32 * 0.7).sin()).collect();
        HostTensor::new(shape, data).expect("filled")
    };
    let up = |shape: &[usize]| b.upload("x", host(shape.to_vec())).expect("fits");
    let (x, y, z) = (up(&[n_pos, ROWS]), up(&[n_pos, COLS]), up(&[n_pos, N_HEADS, COLS / N_HEADS]));
    let by_head = up(&[n_pos, N_HEADS, ROWS]);
    let transposed = w_in.transposed();
    let made = [
        b.linear(&x, w_in, None),
        b.linear_dx(&y, w_in),
        b.linear(&y, &transposed, None),
        b.linear_dx(&x, &transposed),
        b.columns(&transposed, &[3, 0, ROWS as u32 - 1]),
        b.linear_at(&y, &transposed, None, &[5, 2]),
        b.heads_in(&by_head, w_in),
        b.heads_in_dx(&z, w_in),
        b.heads_out(&z, w_out),
        b.heads_out_dx(&by_head, w_out, COLS / N_HEADS),
    ];
    let made: Vec<GpuTensor> = made.map(|made| made.expect("is recorded")).into();
    let read = pollster::block_on(b.read_all(&made.iter().collect::<Vec<_>>())).expect("is read");
    read.iter().map(|value| value.data().iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn narrow_weights_are_the_wide_ones_bit_by_bit_in_half_the_memory() {
    let Some(_) = device() else { return };
    for scheme in [Scheme::Serial, Scheme::Parallel] {
        let options = Options { scheme: Some(scheme), ..Options::default() };
        let b = pollster::block_on(WebGpu::open_with(options)).expect("the same adapter");
        for (narrow, format) in [
            ((|value| f16::from_f32(value).to_f32()) as fn(f32) -> f32, Format::F16),
            (|value| bf16::from_f32(value).to_f32(), Format::Bf16),
        ] {
            // From subnormal values of f16 to 1.
            let value = |at: usize| narrow((at as f32).sin() * (-((at % 23) as f32)).exp2());
            let weight = |shape: [usize; 2]| {
                let host = HostTensor::new(shape.to_vec(), (0..shape[0] * shape[1]).map(value).collect());
                let host = host.expect("filled");
                let narrow = b.upload_matrix("w", host.clone(), MatrixAxes::InOut).expect("fits");
                assert_eq!(narrow.format, format);
                let read = pollster::block_on(b.read_matrix(&narrow)).expect("is read");
                assert_eq!(read, host);
                let wide = GpuMatrix::whole(b.upload("w", host).expect("fits"), MatrixAxes::InOut);
                let n_bytes = |w: &GpuMatrix| b.matrix_bytes(w);
                assert_eq!(n_bytes(&narrow), (n_bytes(&wide) / 2).next_multiple_of(4));
                (narrow, wide)
            };
            let ((w_in, wide_in), (w_out, wide_out)) = (weight([ROWS, COLS]), weight([COLS, ROWS]));
            for n_pos in [1, 3, 20] {
                let got = products(&b, &w_in, &w_out, n_pos);
                let want = products(&b, &wide_in, &wide_out, n_pos);
                assert_eq!(got, want, "{scheme:?} {format:?} {n_pos}");
            }
        }
    }
}
