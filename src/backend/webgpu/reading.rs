//! One reading: what it needs is computed, in submissions that are short each, and copied back.

use std::ops::Range;

use super::{
    Inner, Submission, WebGpu, cost,
    device::Device,
    graph::{GpuTensor, Lowered},
    memory::Storage,
    plan::{Places, Plan},
    plans::InUse,
    program::Op,
    readback::Recorded,
    signal::{Signal, pause},
};
use crate::backend::BackendError;

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
    /// When it was submitted, seconds; without a clock there is none.
    start: Option<f64>,
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
        let plan = prepared.in_use.as_ref().map(InUse::plan);
        let seconds: Vec<f64> = prepared.estimates.iter().map(|(_, seconds)| *seconds).collect();
        let mut submissions = cost::submissions(&seconds);
        last.set(Submission { n_submissions: submissions.len(), ..last.get() });
        let steps = submissions.pop().expect("there is at least one");
        let (mut before, mut before_done) = (None, None);
        for steps in submissions {
            let estimates = &prepared.estimates[steps.clone()];
            let (index, _) = self.submit(plan, steps, &[]);
            watch.end().await?;
            // One computes while the next is recorded, so that the device has always something to do.
            if let Some(before) = before.replace(OnItsWay::new(device, index, estimates)) {
                before_done = self.wait_for(before, before_done, prepared.is_telling).await?;
                pause().await;
            }
            watch = device.watch();
        }
        let estimates = &prepared.estimates[steps.clone()];
        let (_, recorded) = self.submit(plan, steps, &lowered.found(&prepared.kept));
        let watched = watch.end();
        let start = device.now();
        if let Some(before) = before {
            before_done = self.wait_for(before, before_done, prepared.is_telling).await?;
        }
        let values = recorded.wait(device, idle).await;
        watched.await?;
        let values = values.map_err(|why| device.lose(&why))?;
        if prepared.is_telling {
            self.learn(estimates, start, before_done);
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
        let found = plans.take(program, |plan| plan.is_short(&costs));
        let is_replay = found.is_some();
        let in_use = match found {
            Some(in_use) => in_use,
            None => {
                // Before the new one is made, so that their memory can be used again.
                plans.make_room();
                let plan = Plan::new(device, pool, pipelines, &costs, program)?;
                plans.add(program.clone(), plan)
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

    /// Submits some steps of a plan, and the copies of `values`.
    fn submit(
        &self,
        plan: Option<&Plan>,
        steps: Range<usize>,
        values: &[Storage],
    ) -> (wgpu::SubmissionIndex, Recorded) {
        let Inner { device, idle, .. } = &*self.0;
        let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if let Some(plan) = plan {
            plan.record(&mut encoder, steps);
        }
        let recorded = idle.record(device, &mut encoder, values);
        (device.queue.submit([encoder.finish()]), recorded)
    }

    /// Waits for a submission; says when it was done.
    async fn wait_for(
        &self,
        on_its_way: OnItsWay<'_>,
        before_done: Option<f64>,
        is_telling: bool,
    ) -> Result<Option<f64>, BackendError> {
        let device = &self.0.device;
        let OnItsWay { done, index, estimates, start } = on_its_way;
        device.wait(Some(index)).map_err(|why| device.lose(&why))?;
        done.wait().await;
        device.alive()?;
        if is_telling {
            self.learn(estimates, start, before_done);
        }
        Ok(device.now())
    }

    /// Corrects the estimates by a submission that is done now.
    fn learn(&self, estimates: &[(&'static str, f64)], start: Option<f64>, before_done: Option<f64>) {
        let (Some(start), Some(now)) = (start, self.0.device.now()) else { return };
        // It cannot have begun before the one before it was done.
        let start = before_done.map_or(start, |before| before.max(start));
        self.0.costs.borrow_mut().learn(estimates, now - start);
    }
}

impl<'a> OnItsWay<'a> {
    fn new(device: &Device, index: wgpu::SubmissionIndex, estimates: &'a [(&'static str, f64)]) -> Self {
        let signal = Signal::default();
        let done = signal.clone();
        device.queue.on_submitted_work_done(move || signal.set(true));
        Self { done, index, estimates, start: device.now() }
    }
}
