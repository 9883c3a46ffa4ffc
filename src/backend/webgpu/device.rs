//! The device: opened once; what goes wrong on it becomes an error in words.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{
    cost::Rates,
    launch::{Limits, Preset, Scheme},
};
use crate::backend::{BackendError, DeviceFault};

/// An error of this backend.
pub(super) fn error(fault: DeviceFault, message: impl Into<String>) -> BackendError {
    BackendError::Device { backend: "webgpu", fault, message: message.into() }
}

/// What the device said outside of any call, until somebody asks.
#[derive(Clone, Debug, Default)]
struct Faults(Arc<Mutex<Vec<BackendError>>>);

impl Faults {
    fn push(&self, fault: BackendError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    fn take(&self) -> Vec<BackendError> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Chosen by hand instead of by the adapter: for tests, and for a user who knows better.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How work is shared out; by default serially where the adapter is a CPU.
    pub scheme: Option<Scheme>,
    /// How matrix products are cut, if that was measured before.
    pub preset: Option<Preset>,
    /// Whether to do without subgroups where the adapter has them.
    pub without_subgroups: bool,
    /// Largest binding, bytes; by default what the adapter allows.
    pub max_binding_bytes: Option<u64>,
    /// Largest buffer, bytes; by default what the adapter allows.
    pub max_buffer_bytes: Option<u64>,
    /// What the device does in a second, at first; by default too little rather than too much.
    pub rates: Option<Rates>,
    /// Seconds since some moment; without it nothing is measured.
    pub clock: Option<fn() -> f64>,
}

/// An open device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    limits: Cell<Limits>,
    pub(super) max_buffer_bytes: u64,
    /// Written to the queue since it was last made to send what it has.
    pub(super) waiting_bytes: Cell<usize>,
    /// What it is, in words for a user.
    pub(super) adapter: String,
    /// Whether that is a CPU.
    pub(super) is_software: bool,
    /// What it does in a second, as far as that is known without measuring.
    pub(super) rates: Rates,
    pub(super) clock: Option<fn() -> f64>,
    faults: Faults,
    /// Why it is gone.
    lost: Arc<OnceLock<BackendError>>,
}

impl Device {
    /// Errors: there is no adapter, or it has less than WebGPU's default limits.
    pub(super) async fn open(options: Options) -> Result<Self, BackendError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        Self::open_in(&instance, options).await
    }

    /// The same, among the adapters of one instance.
    pub(super) async fn open_in(instance: &wgpu::Instance, options: Options) -> Result<Self, BackendError> {
        let missing = |message: String| error(DeviceFault::Missing, message);
        let wish = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance
            .request_adapter(&wish)
            .await
            .map_err(|cause| missing(format!("there is no graphics device for WebGPU here ({cause})")))?;
        let info = adapter.get_info();
        let allowed = adapter.limits();
        // Default limits but for sizes: then every adapter runs the same kernels.
        let at_most = |allowed: u64, wished: Option<u64>| allowed.min(wished.unwrap_or(u64::MAX));
        let required = wgpu::Limits {
            max_storage_buffer_binding_size: at_most(
                allowed.max_storage_buffer_binding_size,
                options.max_binding_bytes,
            ),
            max_buffer_size: at_most(allowed.max_buffer_size, options.max_buffer_bytes),
            ..Default::default()
        };
        // In a browser wgpu has no word for subgroups, and says that there are none.
        let subgroups =
            if options.without_subgroups { wgpu::Features::empty() } else { wgpu::Features::SUBGROUP };
        let wanted = wgpu::Features::TIMESTAMP_QUERY | subgroups;
        let wish = wgpu::DeviceDescriptor {
            label: Some("vitrine"),
            required_features: adapter.features() & wanted,
            required_limits: required.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&wish)
            .await
            .map_err(|cause| missing(format!("{} cannot be used ({cause})", adapter_in_words(&info))))?;
        let (faults, lost) = (Faults::default(), Arc::new(OnceLock::new()));
        let heard = faults.clone();
        device.on_uncaptured_error(Arc::new(move |fault: wgpu::Error| heard.push(in_words(&fault))));
        let heard = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                // The first reason is the one.
                let _ = heard.set(was_lost(&message));
            }
        });
        let by_adapter = match info.device_type {
            wgpu::DeviceType::Cpu => Scheme::Serial,
            wgpu::DeviceType::Other
            | wgpu::DeviceType::IntegratedGpu
            | wgpu::DeviceType::DiscreteGpu
            | wgpu::DeviceType::VirtualGpu => Scheme::Parallel,
        };
        let scheme = options.scheme.unwrap_or(by_adapter);
        let has_subgroups = device.features().contains(wgpu::Features::SUBGROUP);
        Ok(Self {
            device,
            queue,
            limits: Cell::new(Limits {
                scheme,
                has_subgroups,
                preset: options.preset.unwrap_or(scheme.preset()),
                max_binding_bytes: required.max_storage_buffer_binding_size,
            }),
            max_buffer_bytes: required.max_buffer_size,
            waiting_bytes: Cell::new(0),
            adapter: adapter_in_words(&info),
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            rates: options.rates.unwrap_or_else(|| careful_rates(info.device_type, scheme)),
            clock: options.clock,
            faults,
            lost,
        })
    }

    /// Whether it has a clock of its own for what it does.
    pub(super) fn has_clock(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Seconds since some moment; without a clock always the same.
    pub(super) fn now(&self) -> f64 {
        self.clock.map_or(0.0, |now| now())
    }

    /// Errors: it is gone.
    pub(super) fn alive(&self) -> Result<(), BackendError> {
        self.lost.get().cloned().map_or(Ok(()), Err)
    }

    /// Errors: it is gone; or what it said aside since the last time.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        let aside = self.faults.take().into_iter().next();
        self.alive()?;
        aside.map_or(Ok(()), Err)
    }

    /// Gives the device up, and says why from now on.
    pub(super) fn lose(&self, why: &str) -> BackendError {
        self.device.destroy();
        self.lost.get_or_init(|| was_lost(why)).clone()
    }

    /// Lets work that was submitted finish, all or up to one submission; in a browser that happens by itself.
    ///
    /// Errors: the device does not answer.
    pub(super) fn wait(&self, until: Option<wgpu::SubmissionIndex>) -> Result<(), String> {
        let waited = self.device.poll(wgpu::PollType::Wait { submission_index: until, timeout: None });
        waited.map(drop).map_err(|cause| format!("the device does not answer ({cause})"))
    }

    /// What launches must stay within.
    pub(super) fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// Products are cut this way from here on.
    pub(super) fn take_preset(&self, preset: Preset) {
        self.limits.set(Limits { preset, ..self.limits.get() });
    }

    /// Makes the device forget work that is done.
    pub(super) fn nudge(&self) {
        // Only a wait can time out.
        drop(self.device.poll(wgpu::PollType::Poll));
    }

    /// Errors from here on are collected instead of heard.
    pub(super) fn watch(&self) -> Watch {
        // Nested: the last is popped first.
        let out_of_memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        Watch { internal, validation, out_of_memory }
    }
}

/// Collects the errors of some calls.
pub(super) struct Watch {
    internal: wgpu::ErrorScopeGuard,
    validation: wgpu::ErrorScopeGuard,
    out_of_memory: wgpu::ErrorScopeGuard,
}

impl Watch {
    /// What was collected; the calls end here, the answer may come later.
    pub(super) fn end(self) -> impl Future<Output = Result<(), BackendError>> {
        let found = [self.internal.pop(), self.validation.pop(), self.out_of_memory.pop()];
        async move {
            // Calls on a buffer that found no memory are not valid either: the cause comes first.
            for found in found.into_iter().rev() {
                if let Some(found) = found.await {
                    return Err(in_words(&found));
                }
            }
            Ok(())
        }
    }
}

fn was_lost(why: &str) -> BackendError {
    error(DeviceFault::Lost, format!("the graphics device was lost ({})", why.trim()))
}

/// What a fault is for a user.
pub(super) fn in_words(fault: &wgpu::Error) -> BackendError {
    match fault {
        wgpu::Error::OutOfMemory { .. } => {
            error(DeviceFault::OutOfMemory, "the graphics device has no memory left for this")
        }
        wgpu::Error::Validation { description, .. } => {
            error(DeviceFault::Invalid, format!("the graphics device refused a call: {description}"))
        }
        wgpu::Error::Internal { description, .. } => {
            error(DeviceFault::Invalid, format!("the graphics driver failed: {description}"))
        }
    }
}

/// What any adapter of a kind does in a second. Too little costs short submissions, too much a device that hangs.
fn careful_rates(kind: wgpu::DeviceType, scheme: Scheme) -> Rates {
    let (flops_per_second, bytes_per_second) = match (kind, scheme) {
        // Measured on SwiftShader: 1.3e9 without barriers, 0.13e9 with.
        (wgpu::DeviceType::Cpu, Scheme::Serial) => (1e9, 1e9),
        (wgpu::DeviceType::Cpu, Scheme::Parallel) => (1e8, 1e9),
        (wgpu::DeviceType::DiscreteGpu, _) => (2e11, 5e10),
        // A phone's, at worst; a browser does not say.
        (wgpu::DeviceType::Other | wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu, _) => {
            (2e10, 5e9)
        }
    };
    Rates { flops_per_second, bytes_per_second, seconds_per_dispatch: 1e-4 }
}

fn adapter_in_words(info: &wgpu::AdapterInfo) -> String {
    let name = if info.name.is_empty() { "WebGPU" } else { &info.name };
    match info.backend {
        wgpu::Backend::BrowserWebGpu => name.to_owned(),
        _ => format!("{name}, {}", info.backend),
    }
}
