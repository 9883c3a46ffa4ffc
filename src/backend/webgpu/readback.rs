//! From the device to the host: copies into buffers that can be mapped, one wait for all of them.

use std::cell::RefCell;

use super::{device::Device, memory::Storage, signal::Signal};

/// Values are packed into buffers of about this size, bytes.
const PACK_BYTES: u64 = 64 << 20;
/// Mapped ranges are multiples of this, bytes.
const MAP_GRAIN_BYTES: u64 = 8;
/// How many buffers wait for the next readback.
const MAX_IDLE: usize = 4;

/// Buffers for readbacks, used again.
#[derive(Debug, Default)]
pub(super) struct Idle(RefCell<Vec<wgpu::Buffer>>);

/// A readback whose copies are recorded.
pub(super) struct Recorded {
    packs: Vec<Pack>,
}

/// One mappable buffer with several values in it.
struct Pack {
    buffer: wgpu::Buffer,
    /// Length of each value, bytes; they lie one after another.
    lens: Vec<u64>,
}

impl Pack {
    fn mapped_bytes(&self) -> u64 {
        self.lens.iter().sum::<u64>().max(1).next_multiple_of(MAP_GRAIN_BYTES)
    }
}

impl Idle {
    fn take(&self, device: &Device, size: u64) -> wgpu::Buffer {
        let mut idle = self.0.borrow_mut();
        if let Some(at) = idle.iter().position(|buffer| size <= buffer.size()) {
            return idle.swap_remove(at);
        }
        device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: size.next_power_of_two().min(device.max_buffer_bytes),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Forgets the buffers.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Memory that waits here, bytes.
    pub(super) fn n_bytes(&self) -> u64 {
        self.0.borrow().iter().map(wgpu::Buffer::size).sum()
    }

    fn give(&self, buffer: wgpu::Buffer) {
        let mut idle = self.0.borrow_mut();
        if idle.len() < MAX_IDLE {
            idle.push(buffer);
        }
    }

    /// Records the copies of `values`.
    pub(super) fn record(
        &self,
        device: &Device,
        encoder: &mut wgpu::CommandEncoder,
        values: &[Storage],
    ) -> Recorded {
        let mut packs = vec![];
        let most_bytes = PACK_BYTES.min(device.max_buffer_bytes);
        let mut rest = values;
        while !rest.is_empty() {
            let mut size = 0;
            let n = rest.iter().take_while(|value| {
                let fits = size == 0 || size + value.len_bytes() <= most_bytes;
                size += if fits { value.len_bytes() } else { 0 };
                fits
            });
            let (now, later) = rest.split_at(n.count());
            let buffer = self.take(device, size.max(MAP_GRAIN_BYTES));
            let mut at = 0;
            for value in now {
                let from = value.start_bytes();
                encoder.copy_buffer_to_buffer(value.buffer(), from, &buffer, at, value.len_bytes());
                at += value.len_bytes();
            }
            packs.push(Pack { buffer, lens: now.iter().map(Storage::len_bytes).collect() });
            rest = later;
        }
        Recorded { packs }
    }
}

impl Recorded {
    /// Waits for the values, in the order in which they were recorded; the work was submitted before.
    ///
    /// Errors: why not, in words; the device may be lost, or out of memory.
    pub(super) async fn wait(self, device: &Device, idle: &Idle) -> Result<Vec<Vec<f32>>, String> {
        let mut signals = vec![];
        for pack in &self.packs {
            let signal = Signal::default();
            let done = signal.clone();
            let range = 0..pack.mapped_bytes();
            pack.buffer.map_async(wgpu::MapMode::Read, range, move |result| done.set(result.is_ok()));
            signals.push(signal);
        }
        device.wait(None)?;
        let mut values = vec![];
        for (pack, signal) in self.packs.into_iter().zip(signals) {
            if !signal.wait().await {
                return Err("the results cannot be read back".to_owned());
            }
            let view = pack.buffer.get_mapped_range(0..pack.mapped_bytes());
            let view = view.map_err(|cause| format!("the results cannot be read ({cause})"))?;
            let mut rest: &[u8] = &view;
            for len in &pack.lens {
                let (value, later) = rest.split_at(*len as usize);
                values.push(bytemuck::pod_collect_to_vec(value));
                rest = later;
            }
            drop(view);
            pack.buffer.unmap();
            idle.give(pack.buffer);
        }
        Ok(values)
    }
}
