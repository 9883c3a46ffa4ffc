//! Memory on the device: blocks that return to a pool, and parts of them.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use super::{
    device::{Device, error},
    launch::GROUP_ALIGN,
};
use crate::backend::{BackendError, DeviceFault};

/// The most that is written to the device at once: what a copy on the way may take, bytes.
const MAX_CHUNK_BYTES: usize = 16 << 20;
/// The most that lies in the pool unused, bytes.
const MAX_FREE_BYTES: u64 = 256 << 20;
/// Small blocks come in powers of two, larger ones in multiples of this, bytes.
const GRAIN_BYTES: u64 = 64 << 10;

/// A buffer with a number that tells it from others.
#[derive(Debug)]
struct Numbered {
    id: u64,
    buffer: wgpu::Buffer,
}

/// Buffers that nobody uses now.
#[derive(Debug, Default)]
struct Free {
    by_size: BTreeMap<u64, Vec<Numbered>>,
    n_bytes: u64,
    /// Of the blocks that somebody uses.
    n_used_bytes: u64,
    n_made: u64,
}

/// Makes blocks, and takes them back.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Rc<RefCell<Free>>);

/// A buffer that returns to its pool at the end.
pub(super) struct Block {
    numbered: Option<Numbered>,
    pool: Pool,
}

impl Drop for Block {
    fn drop(&mut self) {
        let Some(numbered) = self.numbered.take() else { return };
        let size = numbered.buffer.size();
        let mut free = self.pool.0.borrow_mut();
        free.n_used_bytes -= size;
        if free.n_bytes + size <= MAX_FREE_BYTES {
            free.n_bytes += size;
            free.by_size.entry(size).or_default().push(numbered);
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({:?})", self.numbered.as_ref().map(|numbered| numbered.id))
    }
}

/// Where values are: some entries of a block, or of several that follow one another. What is bound or copied is in one.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    blocks: Rc<[Block]>,
    /// Entries of each block but the last.
    each: usize,
    /// First entry.
    start: usize,
    /// Number of entries.
    len: usize,
}

impl Storage {
    /// Which block the first entry is in.
    fn nth_block(&self) -> usize {
        (self.start / self.each).min(self.blocks.len() - 1)
    }

    fn numbered(&self) -> &Numbered {
        let block = &self.blocks[self.nth_block()];
        block.numbered.as_ref().expect("a block has its buffer until it is dropped")
    }

    /// Tells buffers apart.
    pub(super) fn id(&self) -> u64 {
        self.numbered().id
    }

    /// The buffer that the values are in.
    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.numbered().buffer
    }

    /// Where they start in it, bytes.
    pub(super) fn start_bytes(&self) -> u64 {
        ((self.start - self.nth_block() * self.each) * size_of::<f32>()) as u64
    }

    /// How long they are, bytes.
    pub(super) fn len_bytes(&self) -> u64 {
        (self.len * size_of::<f32>()) as u64
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Some of the entries.
    pub(super) fn part(&self, start: usize, len: usize) -> Self {
        Self { start: self.start + start, len, ..self.clone() }
    }

    /// The entries block by block, in order.
    pub(super) fn pieces(&self) -> Vec<Self> {
        let (mut pieces, mut at) = (vec![], 0);
        while at < self.len {
            let left_in_block = self.each - (self.start + at) % self.each;
            let len = left_in_block.min(self.len - at);
            pieces.push(self.part(at, len));
            at += len;
        }
        pieces
    }

    /// Whether nobody else holds any part of the blocks.
    pub(super) fn is_sole(&self) -> bool {
        Rc::strong_count(&self.blocks) == 1
    }
}

impl Pool {
    /// Forgets the blocks that nobody uses now.
    pub(super) fn clear(&self) {
        let mut free = self.0.borrow_mut();
        free.by_size.clear();
        free.n_bytes = 0;
    }

    /// Memory that nobody uses now, bytes.
    pub(super) fn n_idle_bytes(&self) -> u64 {
        self.0.borrow().n_bytes
    }

    /// Memory that somebody uses, bytes.
    pub(super) fn n_used_bytes(&self) -> u64 {
        self.0.borrow().n_used_bytes
    }

    /// Room for `len` entries, whatever was there before.
    ///
    /// Errors: it is larger than any buffer of the device.
    pub(super) fn take(&self, device: &Device, label: &str, len: usize) -> Result<Storage, BackendError> {
        self.take_in_parts(device, label, len, usize::MAX)
    }

    /// The same in blocks of `each` entries.
    ///
    /// Errors: a block is larger than any buffer of the device.
    pub(super) fn take_in_parts(
        &self,
        device: &Device,
        label: &str,
        len: usize,
        each: usize,
    ) -> Result<Storage, BackendError> {
        let each = each.max(1);
        let n_blocks = len.div_ceil(each).max(1);
        let len_of = |nth: usize| (len - nth * each.min(len)).min(each);
        let blocks = (0..n_blocks).map(|nth| self.block(device, label, len_of(nth)));
        Ok(Storage { blocks: blocks.collect::<Result<_, _>>()?, each, start: 0, len })
    }

    fn block(&self, device: &Device, label: &str, len: usize) -> Result<Block, BackendError> {
        let size = size_of_block(len as u64 * size_of::<f32>() as u64);
        if device.max_buffer_bytes < size {
            let (wanted, most) = (size >> 20, device.max_buffer_bytes >> 20);
            let message = format!("{label} takes {wanted} MiB; a buffer here has at most {most} MiB");
            return Err(error(DeviceFault::OutOfMemory, message));
        }
        let mut free = self.0.borrow_mut();
        let numbered = match free.by_size.get_mut(&size).and_then(Vec::pop) {
            Some(numbered) => {
                free.n_bytes -= size;
                numbered
            }
            None => {
                free.n_made += 1;
                let usage =
                    wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
                let wish =
                    wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
                Numbered { id: free.n_made, buffer: device.device.create_buffer(&wish) }
            }
        };
        free.n_used_bytes += size;
        Ok(Block { numbered: Some(numbered), pool: self.clone() })
    }
}

fn size_of_block(n_bytes: u64) -> u64 {
    let at_least = n_bytes.max((GROUP_ALIGN * size_of::<f32>()) as u64);
    if at_least <= GRAIN_BYTES {
        at_least.next_power_of_two()
    } else {
        at_least.next_multiple_of(GRAIN_BYTES)
    }
}

/// Writes values to the device, a chunk at a time.
pub(super) fn write(device: &Device, to: &Storage, values: &[f32]) {
    let mut rest = values;
    for piece in to.pieces() {
        let (now, later) = rest.split_at(piece.len.min(rest.len()));
        write_piece(device, &piece, now);
        rest = later;
    }
}

fn write_piece(device: &Device, to: &Storage, values: &[f32]) {
    let mut at = to.start_bytes();
    for chunk in values.chunks(MAX_CHUNK_BYTES / size_of::<f32>()) {
        device.queue.write_buffer(to.buffer(), at, bytemuck::cast_slice(chunk));
        at += size_of_val(chunk) as u64;
        let waiting = device.waiting_bytes.get() + size_of_val(chunk);
        if waiting < MAX_CHUNK_BYTES {
            device.waiting_bytes.set(waiting);
        } else {
            // Otherwise all chunks wait side by side for the next submission.
            device.queue.submit([]);
            device.nudge();
            device.waiting_bytes.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_in_few_sizes() {
        let sizes: Vec<u64> = [0, 4, 257, 65_536, 65_537, 2_359_296].map(size_of_block).to_vec();
        assert_eq!(sizes, [256, 256, 512, 65_536, 131_072, 2_359_296]);
    }
}
