//! One reading: what it needs is computed, in submissions that are short each, and copied back.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Inner, Submission, WebGpu, cost,
    device::Device,
    form,
    graph::{GpuTensor, Lowered},
    memory::Storage,
    plan::{Places, Plan},
    plans::InUse,
    program::Op,
    readback::Recorded,
    signal::{Signal, pause},
    timing::Timer,
};
use crate::backend::{BackendError, Measuring};

/// A run that can be submitted.
struct Prepared<'a> {
    /// None where everything is on the device already.
    in_use: Option<InUse<'a>>,
    /// Where values will be that somebody may look at.
    kept: Places,
    /// Each dispatch: kernel and how long it will take, seconds.
    estimates: Vec<(&'static str, f64)>,
    /// Whether how long it takes says something about its kernels.
    is_telling: bool,
}

/// A submission on its way.
struct OnItsWay<'a> {
    done: Signal,
    index: wgpu::SubmissionIndex,
    estimates: &'a [(&'static str, f64)],
    /// When it was submitted, seconds.
    start: f64,
}

impl WebGpu {
    /// The values of `xs`, in order.
    ///
    /// Errors: the device is gone, has no memory for it, or refused a call.
    pub(super) async fn values(&self, xs: &[&GpuTensor]) -> Result<Vec<Vec<f32>>, BackendError> {
        let Inner { device, plans, pool, idle, .. } = &*self.0;
        device.check()?;
        let values = self.compute(xs).await;
        if values.is_err() {
            // What found no memory must not be used again.
            plans.clear();
            pool.clear();
            idle.clear();
        }
        // That it is gone explains everything else.
        device.alive()?;
        let values = values?;
        device.check()?;
        Ok(values)
    }

    async fn compute(&self, xs: &[&GpuTensor]) -> Result<Vec<Vec<f32>>, BackendError> {
        let Inner { device, idle, last, .. } = &*self.0;
        let lowered = Lowered::new(xs);
        let mut watch = device.watch();
        let prepared = match self.prepare(&lowered) {
            Ok(prepared) => prepared,
            Err(refused) => {
                watch.end().await?;
                return Err(refused);
            }
        };
        let seconds: Vec<f64> = prepared.estimates.iter().map(|(_, seconds)| *seconds).collect();
        let mut submissions = cost::submissions(&seconds);
        last.set(Submission { n_submissions: submissions.len(), ..last.get() });
        let last = submissions.pop().expect("there is at least one");
        let (mut before, mut before_done, mut timers) = (None, None, vec![]);
        for steps in submissions {
            let (on_its_way, _, timer) = self.submit(&prepared, steps.clone(), &[]);
            timers.extend(timer.map(|timer| (steps, timer)));
            on_its_way.listen(device);
            watch.end().await?;
            // One computes while the next is recorded, so that the device has always something to do.
            if let Some(before) = before.replace(on_its_way) {
                before_done = Some(self.wait_for(before, before_done, prepared.is_telling).await?);
                pause().await;
            }
            watch = device.watch();
        }
        let (on_its_way, recorded, timer) =
            self.submit(&prepared, last.clone(), &lowered.found(&prepared.kept));
        timers.extend(timer.map(|timer| (last, timer)));
        let watched = watch.end();
        if let Some(before) = before {
            before_done = Some(self.wait_for(before, before_done, prepared.is_telling).await?);
        }
        let values = recorded.wait(device, idle).await;
        watched.await?;
        let values = values.map_err(|why| device.lose(&why))?;
        self.note(&on_its_way, before_done, prepared.is_telling);
        for (steps, timer) in timers {
            self.note_kernels(&prepared.estimates[steps], &timer.seconds(device).await);
        }
        lowered.settle(&prepared.kept);
        Ok(values)
    }

    /// Finds a plan for what is to be computed, or makes one.
    fn prepare(&self, lowered: &Lowered) -> Result<Prepared<'_>, BackendError> {
        let Inner { device, pool, pipelines, plans, costs, last, .. } = &*self.0;
        last.set(Submission::default());
        let program = &lowered.program;
        if program.values.iter().all(|value| value.op == Op::Given) {
            let kept = Places::new();
            return Ok(Prepared { in_use: None, kept, estimates: vec![], is_telling: false });
        }
        let costs = costs.borrow();
        let n_pipelines = pipelines.len();
        // Where the device has turned out slower, its long dispatches are cut anew.
        let form = form::form(program);
        let found = plans.take(&form, |plan| plan.is_short(&costs) && plan.take_sizes(device, program));
        let is_replay = found.is_some();
        let in_use = match found {
            Some(in_use) => in_use,
            None => {
                // Before the new one is made, so that their memory can be used again.
                plans.make_room();
                let plan = Plan::new(device, pool, pipelines, &costs, &form)?;
                if plan.take_sizes(device, program) {
                    plans.add(form, plan)
                } else {
                    plans.add(program.clone(), Plan::new(device, pool, pipelines, &costs, program)?)
                }
            }
        };
        let plan = in_use.plan();
        let (kept, n_bind_groups) =
            plan.prepare(device, pool, lowered.given.clone(), &lowered.rows, program)?;
        let estimates = plan.estimates(&costs);
        last.set(Submission { n_dispatches: estimates.len(), n_bind_groups, is_replay, n_submissions: 0 });
        // A new pipeline is compiled when it is first used.
        Ok(Prepared { kept, estimates, is_telling: pipelines.len() == n_pipelines, in_use: Some(in_use) })
    }

    /// Submits some steps of a run, and the copies of `values`.
    fn submit<'a>(
        &self,
        prepared: &'a Prepared<'_>,
        steps: Range<usize>,
        values: &[Storage],
    ) -> (OnItsWay<'a>, Recorded, Option<Timer>) {
        let Inner { device, idle, measuring, .. } = &*self.0;
        let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let is_timed = measuring.get() == Measuring::On && device.has_clock() && !steps.is_empty();
        let timer = is_timed.then(|| Timer::new(&device.device, steps.len()));
        if let Some(in_use) = &prepared.in_use {
            in_use.plan().record(&mut encoder, steps.clone(), timer.as_ref());
        }
        let recorded = idle.record(device, &mut encoder, values);
        let index = device.queue.submit([encoder.finish()]);
        (OnItsWay::new(device, index, &prepared.estimates[steps]), recorded, timer)
    }

    /// Waits for a submission; says when it was done, seconds.
    async fn wait_for(
        &self,
        on_its_way: OnItsWay<'_>,
        before_done: Option<f64>,
        is_telling: bool,
    ) -> Result<f64, BackendError> {
        let device = &self.0.device;
        device.wait(Some(on_its_way.index.clone())).map_err(|why| device.lose(&why))?;
        on_its_way.done.wait().await;
        device.alive()?;
        self.note(&on_its_way, before_done, is_telling);
        Ok(device.now())
    }

    /// Takes note of a submission that is done now, and corrects the estimates by it.
    fn note(&self, on_its_way: &OnItsWay<'_>, before_done: Option<f64>, is_telling: bool) {
        let Inner { device, costs, measuring, timings, .. } = &*self.0;
        // It cannot have begun before the one before it was done.
        let start = before_done.map_or(on_its_way.start, |before| before.max(on_its_way.start));
        let seconds = device.now() - start;
        if is_telling {
            costs.borrow_mut().learn(on_its_way.estimates, seconds);
        }
        let is_measured = device.clock.is_some() && !on_its_way.estimates.is_empty();
        if is_measured && measuring.get() == Measuring::On && !device.has_clock() {
            timings.add("submission", seconds);
        }
    }

    /// Takes note of how long each kernel took by the device's own clock, and corrects its estimate.
    fn note_kernels(&self, estimates: &[(&'static str, f64)], seconds: &[f64]) {
        let mut by_kernel: BTreeMap<&'static str, (f64, f64)> = BTreeMap::new();
        for ((kernel, estimate), seconds) in estimates.iter().zip(seconds) {
            self.0.timings.add(kernel, *seconds);
            let (estimated, measured) = by_kernel.entry(kernel).or_default();
            *estimated += estimate;
            *measured += seconds;
        }
        for (kernel, (estimated, measured)) in by_kernel {
            self.0.costs.borrow_mut().learn(&[(kernel, estimated)], measured);
        }
    }
}

impl<'a> OnItsWay<'a> {
    fn new(device: &Device, index: wgpu::SubmissionIndex, estimates: &'a [(&'static str, f64)]) -> Self {
        Self { done: Signal::default(), index, estimates, start: device.now() }
    }

    /// Asks to be told when it is done; nothing may be submitted between.
    fn listen(&self, device: &Device) {
        let done = self.done.clone();
        device.queue.on_submitted_work_done(move || done.set(true));
    }
}
