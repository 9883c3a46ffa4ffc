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

fn fault<T: fmt::Debug>(result: Result<T, BackendError>) -> (DeviceFault, String) {
    match result {
        Err(BackendError::Device { backend: "webgpu", fault, message }) => (fault, message),
        other => panic!("{other:?} is no error of a device"),
    }
}

#[test]
fn a_device_that_is_lost_is_the_same_error_at_each_call() {
    let Some(b) = device() else { return };
    let (x, sum) = (two(&b), b.add(two(&b), &two(&b)).expect("fits"));
    b.0.lose();
    let first = fault(pollster::block_on(b.read(&x)));
    assert_eq!(first.0, DeviceFault::Lost);
    assert!(first.1.contains("on purpose"), "{}", first.1);
    assert_eq!(fault(pollster::block_on(b.read(&sum))), first);
    assert_eq!(fault(b.add(x.clone(), &x)), first);
    assert_eq!(fault(b.upload("two", HostTensor::full(vec![2, 3], 2.0))), first);
    assert_eq!(fault(pollster::block_on(b.read_all(&[&x, &sum]))), first);
}

#[test]
fn a_device_that_goes_without_a_word_is_lost_as_well() {
    let Some(b) = device() else { return };
    let sum = b.add(two(&b), &two(&b)).expect("fits");
    b.0.0.device.device.destroy();
    let first = fault(pollster::block_on(b.read(&sum)));
    let second = fault(pollster::block_on(b.read(&sum)));
    for (kind, message) in [first, second] {
        assert!(matches!(kind, DeviceFault::Lost | DeviceFault::Invalid), "{message}");
    }
}

#[test]
fn no_adapter_is_an_error_in_words() {
    let nowhere = wgpu::InstanceDescriptor {
        backends: wgpu::Backends::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let opened = pollster::block_on(Device::open_in(&wgpu::Instance::new(nowhere), Options::default()));
    let (kind, message) = fault(opened.map(|_| ()));
    assert_eq!(kind, DeviceFault::Missing);
    assert!(message.contains("no graphics device"), "{message}");
}

#[test]
fn after_a_refusal_the_device_goes_on() {
    let Some(b) = device() else { return };
    let most = b.0.0.device.limits().max_binding_bytes as usize / size_of::<f32>();
    let one = b.upload("one", HostTensor::full(vec![1, 1 << 16], 2.0)).expect("fits");
    // Rows of a table, again and again: a value that no kernel could bind.
    let rows = vec![0; most / (1 << 16) + 1];
    let (kind, message) = fault(pollster::block_on(b.read(&b.gather(&one, &rows).expect("is recorded"))));
    assert_eq!(kind, DeviceFault::OutOfMemory, "{message}");
    let sum = b.add(one.clone(), &one).expect("fits");
    assert_eq!(pollster::block_on(b.read(&sum)), Ok(HostTensor::full(vec![1, 1 << 16], 4.0)));
    let missing = device::in_words(&wgpu::Error::OutOfMemory { source: "no more".into() });
    assert_eq!(fault::<()>(Err(missing)).0, DeviceFault::OutOfMemory);
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
    let (kind, said) = fault(pollster::block_on(b.read(&x)));
    assert!(matches!(kind, DeviceFault::Invalid | DeviceFault::OutOfMemory), "{said}");
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

fn bytes_for(b: &Checked<WebGpu>, role: MemoryRole) -> u64 {
    let memory = b.report().memory;
    memory.iter().find(|of| of.role == role).expect("every role is listed").size_bytes
}

#[test]
fn memory_is_reported_by_what_it_is_for() {
    let Some(b) = device() else { return };
    assert_eq!(bytes_for(&b, MemoryRole::Weights), 0);
    let w = b.upload("w", HostTensor::full(vec![512, 512], 1.0)).expect("fits");
    assert_eq!(bytes_for(&b, MemoryRole::Weights), 1 << 20);
    let twice = b.add(w.clone(), &w).expect("fits");
    let sum = b.add(twice.clone(), &w).expect("fits");
    drop(twice);
    pollster::block_on(b.read(&sum)).expect("is read");
    assert_eq!(bytes_for(&b, MemoryRole::Weights), 1 << 20);
    // What is on the way, and the result that somebody holds.
    let in_plans = bytes_for(&b, MemoryRole::Plans);
    assert!((2 << 20..3 << 20).contains(&in_plans), "{in_plans}");
    assert!((1 << 20) <= bytes_for(&b, MemoryRole::Readback));
    drop(w);
    assert_eq!((bytes_for(&b, MemoryRole::Weights), bytes_for(&b, MemoryRole::Idle)), (0, 1 << 20));
}

#[test]
fn measuring_counts_every_kernel_and_changes_no_bit() {
    let clock = || {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
    };
    let options = Options { clock: Some(clock), ..Options::default() };
    let Ok(b) = pollster::block_on(WebGpu::open_with(options)).map(Checked) else { return };
    let run = || {
        let x = b.upload("x", HostTensor::full(vec![40, 300], 0.3)).expect("fits");
        let softmax = b.softmax(x.clone()).expect("fits");
        let sum = b.add(softmax.clone(), &x).expect("fits");
        pollster::block_on(b.read(&b.add(sum, &softmax).expect("fits"))).expect("is read")
    };
    let want = run();
    assert_eq!((b.report().measured, b.report().timings), (Measured::Nothing, vec![]));
    b.measure(Measuring::On);
    assert_eq!((run(), run()), (want.clone(), want.clone()));
    let report = b.report();
    let counts: Vec<(&str, u64)> = report.timings.iter().map(|of| (of.op.as_str(), of.count)).collect();
    match report.measured {
        Measured::OnTheDevice => assert!(
            counts.len() == 2 && counts.contains(&("softmax", 2)) && counts.contains(&("add", 4)),
            "{counts:?}"
        ),
        Measured::FromTheHost => assert_eq!(counts, [("submission", 2)]),
        Measured::Nothing => panic!("{report:?}"),
    }
    assert!(report.timings.iter().all(|of| of.total_millis.is_finite() && 0.0 <= of.total_millis));
    assert!(0.0 < report.timings[0].total_millis, "{report:?}");
    b.measure(Measuring::Off);
    assert_eq!(run(), want);
    assert_eq!(b.report(), report, "nothing more is counted");
}

#[test]
fn a_device_that_turns_out_slower_has_its_plans_cut_anew_and_goes_on() {
    let rates = Rates { flops_per_second: 1e10, bytes_per_second: 1e10, seconds_per_dispatch: 1e-4 };
    // Without a clock: only what is planted here is learnt.
    let options = Options { rates: Some(rates), ..Options::default() };
    let Ok(b) = pollster::block_on(WebGpu::open_with(options)).map(Checked) else { return };
    let host = HostTensor::full(vec![64, 512], 0.5);
    let w = HostTensor::full(vec![512, 512], 0.25);
    let w = b.upload_matrix("w", w, MatrixAxes::InOut).expect("fits");
    let run = || {
        let y = b.linear(&b.upload("x", host.clone()).expect("fits"), &w, None).expect("is recorded");
        let y = pollster::block_on(b.read(&y)).expect("is read");
        (y, b.0.last_submission())
    };
    let (want, whole) = run();
    assert_eq!((whole.is_replay, whole.n_submissions), (false, 1));
    for _ in 0..2 {
        b.0.0.costs.borrow_mut().learn(&[("linear", 0.1)], 0.8);
    }
    let (again, cut) = run();
    assert_eq!((again, cut.is_replay), (want.clone(), false));
    assert!(1 < cut.n_submissions, "{cut:?}");
    let (again, replay) = run();
    assert_eq!(again, want);
    assert_eq!((replay.is_replay, replay.n_submissions), (true, cut.n_submissions));
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
        for (narrow, dtype) in [
            ((|value| f16::from_f32(value).to_f32()) as fn(f32) -> f32, Dtype::F16),
            (|value| bf16::from_f32(value).to_f32(), Dtype::BF16),
        ] {
            // From subnormal values of f16 to 1.
            let value = |at: usize| narrow((at as f32).sin() * (-((at % 23) as f32)).exp2());
            let weight = |shape: [usize; 2]| {
                let host = HostTensor::new(shape.to_vec(), (0..shape[0] * shape[1]).map(value).collect());
                let host = host.expect("filled");
                let mut filling = b.begin_matrix("w", dtype, shape, MatrixAxes::InOut).expect("fits");
                // Row by row: one in two begins in the middle of a word.
                for row in 0..shape[0] {
                    b.fill(&mut filling, &dtype.encode(host.row(row))).expect("fits");
                }
                let narrow = b.finish(filling).expect("fits");
                assert_eq!(narrow.format, Format::of(dtype));
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
                assert_eq!(got, want, "{scheme:?} {dtype:?} {n_pos}");
            }
        }
    }
}
