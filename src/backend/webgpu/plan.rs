//! A program, ready to run again and again: pipelines, parameters and memory are chosen once.
//!
//! Values that are kept get memory of their own at each run in which somebody still holds the last ones;
//! bind groups are made again only where a buffer is another one.

use std::{cell::RefCell, collections::BTreeMap, ops::Range, rc::Rc};

use super::{
    cost::{Costs, Window, Work},
    device::{Device, error},
    fuse::{self, Kernel},
    launch::{self, Bound, GROUP_ALIGN, Launch, Limits},
    memory::{Pool, Storage},
    pipelines::{Pipeline, Pipelines, WINDOW_BINDING},
    program::{Id, Program},
    timing::Timer,
};
use crate::backend::{BackendError, DeviceFault};

/// Where parameters may start in their buffer: WebGPU's default, bytes.
const PARAMS_ALIGN: usize = 256;
/// A step has its launch's parameters, then its window, bytes.
const STEP_BYTES: usize = 2 * PARAMS_ALIGN;
/// Of a window: the first workgroup along each axis, and how many the first axis has in all.
const WINDOW_WORDS: usize = 4;

/// A program that was compiled for a device.
#[derive(Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    params: wgpu::Buffer,
    /// Whose sizes `params` has.
    sizes_of: RefCell<Program>,
    /// The buffers for lists of rows, in the program's order.
    rows: Vec<Storage>,
    /// Memory of the values that nobody looks at.
    inner: BTreeMap<Id, Storage>,
    /// Values that somebody looks at, with those beside them in memory.
    outer: Vec<Outer>,
    /// What unused bindings are bound to, each in one place at most where it is written.
    nothing: Vec<Storage>,
}

/// A dispatch, a launch or a part of one, and what it is bound to.
#[derive(Debug)]
struct Step {
    pipeline: Rc<Pipeline>,
    /// Which launch it is, or is part of.
    nth: usize,
    launch: Rc<Launch>,
    window: Window,
    work: Work,
    params_at: u64,
    bound: RefCell<Option<(Vec<Place>, wgpu::BindGroup)>>,
}

/// Buffer, first byte, number of bytes.
type Place = (u64, u64, u64);

impl Step {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline.pipeline);
        let bound = self.bound.borrow();
        pass.set_bind_group(0, bound.as_ref().map(|(_, group)| group), &[]);
        let [x, y, z] = self.window.size;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Values in one block.
#[derive(Clone, Debug)]
struct Unit {
    /// Value, first entry, number of entries.
    parts: Vec<(Id, usize, usize)>,
    len: usize,
}

#[derive(Debug)]
struct Outer {
    unit: Unit,
    /// The block of the last run.
    last: RefCell<Option<Storage>>,
}

/// Where each value of a program is, during one run.
pub(super) type Places = BTreeMap<Id, Storage>;

impl Unit {
    fn of(program: &Program, ids: &[Id]) -> Self {
        let mut len = 0;
        let mut parts = vec![];
        for id in ids {
            let start = len;
            len = start + program.values[*id].len;
            parts.push((*id, start, program.values[*id].len));
            if id != ids.last().expect("in the loop over them") {
                len = len.next_multiple_of(GROUP_ALIGN);
            }
        }
        Self { parts, len }
    }

    /// The same values in a program of the same form.
    fn with_lens_of(&self, program: &Program) -> Self {
        let ids: Vec<Id> = self.parts.iter().map(|(id, _, _)| *id).collect();
        Self::of(program, &ids)
    }

    fn place(&self, storage: &Storage, places: &mut Places) {
        for (id, start, len) in &self.parts {
            places.insert(*id, storage.part(*start, *len));
        }
    }
}

/// The launches of a program, in an order in which they can run, and what each takes.
pub(super) fn launches(program: &Program, limits: Limits) -> Vec<(Launch, Work)> {
    let of_one = |(kernel, values): (Kernel, Vec<Id>)| {
        let work = Work::of(program, &values);
        let launches = launch::launches(program, &kernel, limits);
        let n_groups = |launch: &Launch| launch.grid.iter().map(|n| f64::from(*n)).product::<f64>();
        let n_all: f64 = launches.iter().map(n_groups).sum();
        let share = move |launch: Launch| (work.part(n_groups(&launch) / n_all.max(1.0)), launch);
        launches.into_iter().map(share).map(|(work, launch)| (launch, work)).collect::<Vec<_>>()
    };
    fuse::kernels(program).into_iter().flat_map(of_one).collect()
}

impl Plan {
    /// Errors: a value is too large for the device.
    pub(super) fn new(
        device: &Device,
        pool: &Pool,
        pipelines: &Pipelines,
        costs: &Costs,
        program: &Program,
    ) -> Result<Self, BackendError> {
        let (launches, work): (Vec<Launch>, Vec<Work>) =
            launches(program, device.limits()).into_iter().unzip();
        let mut memory = Memory::new(program, &launches);
        for (nth, launch) in launches.iter().enumerate() {
            memory.before(device, pool, nth, launch)?;
            memory.after(nth);
        }
        let (inner, outer) = (memory.inner, memory.outer);
        let rows = program.with_rows().map(|(_, n_rows)| pool.take(device, "rows", n_rows));
        let rows = rows.collect::<Result<_, _>>()?;
        let nothing = (0..4).map(|_| pool.take(device, "nothing", 1)).collect::<Result<_, _>>()?;
        let mut steps = vec![];
        for (nth, (launch, work)) in launches.into_iter().zip(work).enumerate() {
            let pipeline = pipelines.get(device, &launch);
            let launch = Rc::new(launch);
            for (window, work) in costs.cut(launch.source.name, launch.grid, work) {
                steps.push(Step {
                    pipeline: Rc::clone(&pipeline),
                    nth,
                    launch: Rc::clone(&launch),
                    window,
                    work,
                    params_at: (steps.len() * STEP_BYTES) as u64,
                    bound: RefCell::default(),
                });
            }
        }
        let params = device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: (steps.len().max(1) * STEP_BYTES) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let plan = Self { steps, params, sizes_of: RefCell::default(), rows, inner, outer, nothing };
        plan.take_sizes(device, program);
        Ok(plan)
    }

    /// Takes the sizes of a program of this plan's form; says whether that could be done.
    pub(super) fn take_sizes(&self, device: &Device, program: &Program) -> bool {
        if *self.sizes_of.borrow() == *program {
            return true;
        }
        let launches: Vec<Launch> =
            launches(program, device.limits()).into_iter().map(|(launch, _)| launch).collect();
        let is_same = |step: &Step| {
            launches.get(step.nth).is_some_and(|launch| {
                let (own, other) = (&*step.launch, launch);
                (own.source, &own.constants, own.params.len())
                    == (other.source, &other.constants, other.params.len())
            })
        };
        if !self.steps.iter().all(is_same) {
            return false;
        }
        let words_each = STEP_BYTES / size_of::<u32>();
        let mut words = vec![0_u32; self.steps.len() * words_each];
        for (words, step) in words.chunks_exact_mut(words_each).zip(&self.steps) {
            let (params, window) = words.split_at_mut(PARAMS_ALIGN / size_of::<u32>());
            let sizes = &launches[step.nth].params;
            params[..sizes.len()].copy_from_slice(sizes);
            let [x, y, z] = step.window.first;
            window[..WINDOW_WORDS].copy_from_slice(&[x, y, z, step.launch.grid[0]]);
        }
        if !words.is_empty() {
            device.queue.write_buffer(&self.params, 0, bytemuck::cast_slice(&words));
        }
        self.sizes_of.replace(program.clone());
        true
    }

    /// Its dispatches in order: kernel, and how long that will take, seconds.
    pub(super) fn estimates(&self, costs: &Costs) -> Vec<(&'static str, f64)> {
        let name = |step: &Step| step.launch.source.name;
        self.steps.iter().map(|step| (name(step), costs.seconds(name(step), step.work))).collect()
    }

    /// Whether no dispatch takes too long, as far as that can be helped.
    pub(super) fn is_short(&self, costs: &Costs) -> bool {
        self.steps.iter().all(|step| costs.is_short(step.launch.source.name, step.window, step.work))
    }

    /// Memory that the plan holds between runs, bytes.
    pub(super) fn n_bytes(&self) -> u64 {
        let size = |storage: &Storage| (storage.id(), storage.buffer().size());
        let inner = self.inner.values().chain(&self.rows).chain(&self.nothing).map(size);
        let outer = self.outer.iter().filter_map(|outer| outer.last.borrow().as_ref().map(size));
        // Several values may share a block.
        inner.chain(outer).collect::<BTreeMap<u64, u64>>().values().sum()
    }

    /// Prepares a run on `given` values and `rows`; says where the values that are kept will be, and how many
    /// bind groups had to be made.
    ///
    /// Errors: a value is too large for the device.
    pub(super) fn prepare(
        &self,
        device: &Device,
        pool: &Pool,
        given: Places,
        rows: &[Rc<[u32]>],
        program: &Program,
    ) -> Result<(Places, usize), BackendError> {
        let mut places = given;
        places.extend(self.inner.iter().map(|(id, storage)| (*id, storage.clone())));
        let mut kept = Places::new();
        for outer in &self.outer {
            // There may be room for more than this run's.
            outer.unit.with_lens_of(program).place(&outer.storage(device, pool)?, &mut kept);
        }
        places.extend(kept.iter().map(|(id, storage)| (*id, storage.clone())));
        let with_rows: Vec<Id> = program.with_rows().map(|(id, _)| id).collect();
        for (buffer, rows) in self.rows.iter().zip(rows) {
            device.queue.write_buffer(buffer.buffer(), 0, bytemuck::cast_slice(rows));
        }
        let mut n_made = 0;
        for step in &self.steps {
            n_made += usize::from(self.bind(device, step, &places, &with_rows)?);
        }
        Ok((kept, n_made))
    }

    /// Records some of the dispatches of a run that was prepared.
    pub(super) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        steps: Range<usize>,
        timer: Option<&Timer>,
    ) {
        let steps = &self.steps[steps];
        let Some(timer) = timer else {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            return steps.iter().for_each(|step| step.record(&mut pass));
        };
        for (nth, step) in steps.iter().enumerate() {
            let timestamp_writes = timer.of(nth);
            let wish = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            step.record(&mut encoder.begin_compute_pass(&wish));
        }
        timer.record(encoder);
    }

    /// Makes the bind group of a step, unless the last one was for the same places.
    fn bind(
        &self,
        device: &Device,
        step: &Step,
        places: &Places,
        with_rows: &[Id],
    ) -> Result<bool, BackendError> {
        let find = |bound: &Bound, nth_nothing: usize| match bound {
            Bound::Value(id, None) => places[id].clone(),
            Bound::Value(id, Some(entries)) => places[id].part(entries.start, entries.len()),
            Bound::Group(ids) => {
                // Laid out as in `Unit::of`.
                let len = ids.iter().map(|id| places[id].len_bytes() as usize / size_of::<f32>());
                let len = len.reduce(|all, len| all.next_multiple_of(GROUP_ALIGN) + len).unwrap_or(0);
                places[&ids[0]].part(0, len)
            }
            Bound::Rows(id) => {
                let nth = with_rows.iter().position(|with| with == id).expect("it comes with rows");
                self.rows[nth].clone()
            }
            Bound::Nothing => self.nothing[nth_nothing].clone(),
        };
        let reads = step.launch.reads.iter().map(|bound| find(bound, 0));
        let writes = step.launch.writes.iter().enumerate().map(|(nth, bound)| find(bound, nth + 1));
        let bound: Vec<Storage> = reads.chain(writes).collect();
        let place = |storage: &Storage| (storage.id(), storage.start_bytes(), storage.len_bytes());
        let wanted: Vec<Place> = bound.iter().map(place).collect();
        if step.bound.borrow().as_ref().is_some_and(|(places, _)| *places == wanted) {
            return Ok(false);
        }
        let name = step.launch.source.name;
        if let Some(most) = bound.iter().map(Storage::len_bytes).max()
            && device.limits().max_binding_bytes < most
        {
            let (most, limit) = (most >> 10, device.limits().max_binding_bytes >> 10);
            let message = format!("{name} would bind {most} KiB at once; the limit here is {limit} KiB");
            return Err(error(DeviceFault::OutOfMemory, message));
        }
        let uniform = |offset, n_bytes: usize| wgpu::BufferBinding {
            buffer: &self.params,
            offset,
            size: wgpu::BufferSize::new(n_bytes as u64),
        };
        let params = uniform(step.params_at, params_bytes(&step.launch));
        let window = uniform(step.params_at + PARAMS_ALIGN as u64, WINDOW_WORDS * size_of::<u32>());
        let values = bound.iter().map(|storage| wgpu::BufferBinding {
            buffer: storage.buffer(),
            offset: storage.start_bytes(),
            size: wgpu::BufferSize::new(storage.len_bytes().max(4)),
        });
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(values.chain([params]))
            .chain([(WINDOW_BINDING, window)])
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(buffer),
            })
            .collect();
        let group = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &step.pipeline.layout,
            entries: &entries,
        });
        *step.bound.borrow_mut() = Some((wanted, group));
        Ok(true)
    }
}

impl Outer {
    /// The memory of the last run, if nobody holds it; else other memory.
    fn storage(&self, device: &Device, pool: &Pool) -> Result<Storage, BackendError> {
        let mut last = self.last.borrow_mut();
        if let Some(storage) = last.as_ref().filter(|storage| storage.is_sole()) {
            return Ok(storage.clone());
        }
        let storage = pool.take(device, "kept", self.unit.len)?;
        *last = Some(storage.clone());
        Ok(storage)
    }
}

/// Chooses memory for the values, launch by launch; what has been read for the last time is used again.
struct Memory<'a> {
    program: &'a Program,
    /// The last launch that touches each value.
    last_use: BTreeMap<Id, usize>,
    inner: BTreeMap<Id, Storage>,
    outer: Vec<Outer>,
    /// Units in use, and the launch after which they are not.
    live: Vec<(usize, Storage)>,
    idle: Vec<Storage>,
}

impl<'a> Memory<'a> {
    fn new(program: &'a Program, launches: &[Launch]) -> Self {
        let mut last_use = BTreeMap::new();
        for (nth, launch) in launches.iter().enumerate() {
            for id in launch.reads.iter().chain(&launch.writes).flat_map(ids_of) {
                last_use.insert(id, nth);
            }
        }
        let (inner, outer) = (BTreeMap::new(), vec![]);
        Self { program, last_use, inner, outer, live: vec![], idle: vec![] }
    }

    /// Memory for what a launch writes first.
    fn before(
        &mut self,
        device: &Device,
        pool: &Pool,
        nth: usize,
        launch: &Launch,
    ) -> Result<(), BackendError> {
        for bound in &launch.writes {
            let ids = ids_of(bound);
            // A value that is written part by part has its memory from the first.
            let is_new = ids.first().is_some_and(|id| {
                let is_outer =
                    self.outer.iter().any(|outer| outer.unit.parts.iter().any(|(part, _, _)| part == id));
                !self.inner.contains_key(id) && !is_outer
            });
            if !is_new {
                continue;
            }
            let unit = Unit::of(self.program, &ids);
            if ids.iter().any(|id| self.program.values[*id].is_kept) {
                self.outer.push(Outer { unit, last: RefCell::default() });
                continue;
            }
            let storage = self.idle_or_new(device, pool, unit.len)?;
            unit.place(&storage, &mut self.inner);
            let until = ids.iter().map(|id| self.last_use[id]).max().unwrap_or(nth);
            self.live.push((until, storage));
        }
        Ok(())
    }

    fn idle_or_new(&mut self, device: &Device, pool: &Pool, len: usize) -> Result<Storage, BackendError> {
        let len_bytes = (len * size_of::<f32>()) as u64;
        // Not one much larger: that may be just what a later value needs.
        let fits = |storage: &Storage| {
            let size = storage.buffer().size();
            len_bytes <= size && size <= 2 * len_bytes.max(256)
        };
        match self.idle.iter().position(fits) {
            Some(at) => Ok(self.idle.swap_remove(at)),
            None => pool.take(device, "value", len),
        }
    }

    /// What nobody touches after a launch may be used by the next.
    fn after(&mut self, nth: usize) {
        let (live, done) = std::mem::take(&mut self.live).into_iter().partition(|(until, _)| nth < *until);
        self.live = live;
        let done: Vec<(usize, Storage)> = done;
        self.idle.extend(done.into_iter().map(|(_, storage)| storage));
    }
}

fn ids_of(bound: &Bound) -> Vec<Id> {
    match bound {
        Bound::Value(id, _) => vec![*id],
        Bound::Group(ids) => ids.clone(),
        Bound::Rows(_) | Bound::Nothing => vec![],
    }
}

/// Uniform structs are multiples of 16 bytes.
fn params_bytes(launch: &Launch) -> usize {
    (launch.params.len() * size_of::<u32>()).next_multiple_of(16)
}
