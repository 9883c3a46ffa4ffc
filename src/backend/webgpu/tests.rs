//! What goes wrong on a device becomes an error in words, never a panic.

use super::*;
use crate::backend::checked::Checked;

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
