//! How long kernels take by the device's own clock, each in a pass of its own; the same commands otherwise.

use std::{cell::RefCell, collections::BTreeMap};

use super::{device::Device, signal::Signal};
use crate::backend::OpTiming;

/// What a device keeps of times at once.
const MAX_QUERIES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;
/// Beginning and end.
const QUERIES_A_STEP: usize = 2;

/// Times of some dispatches that are recorded.
pub(super) struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readable: wgpu::Buffer,
    n_steps: usize,
}

impl Timer {
    /// For the first of `n_steps` dispatches, as many as the device keeps times of.
    pub(super) fn new(device: &wgpu::Device, n_steps: usize) -> Self {
        let n_steps = n_steps.min(MAX_QUERIES / QUERIES_A_STEP);
        let count = (n_steps * QUERIES_A_STEP).max(QUERIES_A_STEP);
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("times"),
                size: (count * size_of::<u64>()) as u64,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("times"),
                ty: wgpu::QueryType::Timestamp,
                count: count as u32,
            }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            readable: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
            n_steps,
        }
    }

    /// Where the pass of a dispatch writes its times.
    pub(super) fn of(&self, nth: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let first = (nth * QUERIES_A_STEP) as u32;
        (nth < self.n_steps).then_some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Records that the times are kept, behind the dispatches.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let n_queries = (self.n_steps * QUERIES_A_STEP) as u32;
        encoder.resolve_query_set(&self.queries, 0..n_queries, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, self.readable.size());
    }

    /// How long each dispatch took, seconds; none where the times cannot be read.
    pub(super) async fn seconds(self, device: &Device) -> Vec<f64> {
        let signal = Signal::default();
        let done = signal.clone();
        self.readable.map_async(wgpu::MapMode::Read, .., move |result| done.set(result.is_ok()));
        if device.wait(None).is_err() || !signal.wait().await {
            return vec![];
        }
        let Ok(view) = self.readable.get_mapped_range(..) else { return vec![] };
        let nanos_per_tick = f64::from(device.queue.get_timestamp_period());
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let seconds = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * nanos_per_tick * 1e-9;
        ticks.chunks_exact(QUERIES_A_STEP).take(self.n_steps).map(seconds).collect()
    }
}

/// What was measured so far: how often, and seconds in all.
#[derive(Debug, Default)]
pub(super) struct Timings(RefCell<BTreeMap<&'static str, (u64, f64)>>);

impl Timings {
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    pub(super) fn add(&self, op: &'static str, seconds: f64) {
        let mut all = self.0.borrow_mut();
        let (count, total) = all.entry(op).or_default();
        *count += 1;
        *total += seconds;
    }

    /// The longest first.
    pub(super) fn report(&self) -> Vec<OpTiming> {
        let all = self.0.borrow();
        let one = |(op, (count, seconds)): (&&str, &(u64, f64))| OpTiming {
            op: (*op).to_owned(),
            count: *count,
            total_millis: seconds * 1e3,
        };
        let mut timings: Vec<OpTiming> = all.iter().map(one).collect();
        timings.sort_by(|a, b| b.total_millis.total_cmp(&a.total_millis));
        timings
    }
}
