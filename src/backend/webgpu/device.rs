//! The device: opened once; what goes wrong on it becomes an error in words.

use std::sync::{Arc, Mutex, PoisonError};

use super::launch::{Limits, Preset, Scheme};
use crate::backend::BackendError;

/// An error of this backend.
pub(super) fn error(message: impl Into<String>) -> BackendError {
    BackendError::Device { backend: "webgpu", message: message.into() }
}

/// What the device said outside of any call, until somebody asks.
#[derive(Clone, Debug, Default)]
struct Faults(Arc<Mutex<Vec<String>>>);

impl Faults {
    fn push(&self, fault: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    fn take(&self) -> Vec<String> {
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
    /// Largest binding, bytes; by default what the adapter allows.
    pub max_binding_bytes: Option<u64>,
}

/// An open device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: Limits,
    pub(super) max_buffer_bytes: u64,
    /// What it is, in words for a user.
    pub(super) adapter: String,
    /// Whether that is a CPU.
    pub(super) is_software: bool,
    faults: Faults,
    lost: Faults,
}

impl Device {
    /// Errors: there is no adapter, or it has less than WebGPU's default limits.
    pub(super) async fn open(options: Options) -> Result<Self, BackendError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let wish = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance
            .request_adapter(&wish)
            .await
            .map_err(|cause| error(format!("there is no adapter for WebGPU here ({cause})")))?;
        let info = adapter.get_info();
        let allowed = adapter.limits();
        // Default limits but for sizes: then every adapter runs the same kernels.
        let required = wgpu::Limits {
            max_storage_buffer_binding_size: allowed.max_storage_buffer_binding_size,
            max_buffer_size: allowed.max_buffer_size,
            ..Default::default()
        };
        let wish = wgpu::DeviceDescriptor {
            label: Some("vitrine"),
            required_limits: required.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&wish)
            .await
            .map_err(|cause| error(format!("the adapter {} gives no device ({cause})", info.name)))?;
        let (faults, lost) = (Faults::default(), Faults::default());
        let heard = faults.clone();
        device.on_uncaptured_error(Arc::new(move |fault: wgpu::Error| heard.push(in_words(&fault))));
        let heard = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                heard.push(format!("the device was lost: {message}"));
            }
        });
        let by_adapter = match info.device_type {
            wgpu::DeviceType::Cpu => Scheme::Serial,
            wgpu::DeviceType::Other
            | wgpu::DeviceType::IntegratedGpu
            | wgpu::DeviceType::DiscreteGpu
            | wgpu::DeviceType::VirtualGpu => Scheme::Parallel,
        };
        let max_binding_bytes =
            options.max_binding_bytes.unwrap_or(u64::MAX).min(required.max_storage_buffer_binding_size);
        Ok(Self {
            device,
            queue,
            limits: Limits {
                scheme: options.scheme.unwrap_or(by_adapter),
                preset: options.preset.unwrap_or_default(),
                max_binding_bytes,
            },
            max_buffer_bytes: required.max_buffer_size,
            adapter: adapter_in_words(&info),
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            faults,
            lost,
        })
    }

    /// Errors: what the device said since the last time; that it was lost, each time.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        let lost = self.lost.take();
        lost.iter().for_each(|fault| self.lost.push(fault.clone()));
        match lost.into_iter().chain(self.faults.take()).next() {
            Some(fault) => Err(error(fault)),
            None => Ok(()),
        }
    }

    /// Ends the device as if it had been lost.
    pub(super) fn lose(&self) {
        self.lost.push("the device was lost: somebody asked for it".to_owned());
        self.device.destroy();
    }

    /// Lets work that was submitted finish; in a browser that happens by itself.
    ///
    /// Errors: the device does not answer.
    pub(super) fn wait(&self) -> Result<(), BackendError> {
        let waited = self.device.poll(wgpu::PollType::wait_indefinitely());
        waited.map(drop).map_err(|cause| error(format!("the device does not answer ({cause})")))
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
                    return Err(error(in_words(&found)));
                }
            }
            Ok(())
        }
    }
}

fn in_words(fault: &wgpu::Error) -> String {
    match fault {
        wgpu::Error::OutOfMemory { .. } => "the device is out of memory".to_owned(),
        wgpu::Error::Validation { description, .. } => format!("a call was not valid: {description}"),
        wgpu::Error::Internal { description, .. } => format!("the device failed: {description}"),
    }
}

fn adapter_in_words(info: &wgpu::AdapterInfo) -> String {
    let name = if info.name.is_empty() { "WebGPU" } else { &info.name };
    match info.backend {
        wgpu::Backend::BrowserWebGpu => name.to_owned(),
        _ => format!("{name}, {}", info.backend),
    }
}
