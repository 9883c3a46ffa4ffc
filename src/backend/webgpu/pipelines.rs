//! Pipelines, compiled once for each shader and set of constants.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::{
    device::Device,
    launch::{Launch, Source},
    shaders,
};

/// Where every shader has its window: `shaders/shared/window.wgsl`.
pub(super) const WINDOW_BINDING: u32 = 15;

/// A compiled shader.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

type Key = (Source, Vec<(&'static str, u32)>);

/// All pipelines so far.
#[derive(Debug, Default)]
pub(super) struct Pipelines(RefCell<HashMap<Key, Rc<Pipeline>>>);

impl Pipelines {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The pipeline of a launch. What is wrong with it is heard by the device.
    pub(super) fn get(&self, device: &Device, launch: &Launch) -> Rc<Pipeline> {
        let key = (launch.source, launch.constants.clone());
        let mut all = self.0.borrow_mut();
        Rc::clone(all.entry(key).or_insert_with(|| Rc::new(compile(device, launch))))
    }
}

fn compile(device: &Device, launch: &Launch) -> Pipeline {
    let (device, name) = (&device.device, launch.source.name);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(shaders::text(launch.source).into()),
    });
    let read = wgpu::BufferBindingType::Storage { read_only: true };
    let write = wgpu::BufferBindingType::Storage { read_only: false };
    let types = launch.reads.iter().map(|_| read).chain(launch.writes.iter().map(|_| write));
    let types = types.chain([wgpu::BufferBindingType::Uniform]);
    let window = (WINDOW_BINDING, wgpu::BufferBindingType::Uniform);
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..)
        .zip(types)
        .chain([window])
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        })
        .collect();
    let layout = device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let constants: Vec<(&str, f64)> =
        launch.constants.iter().map(|(constant, value)| (*constant, f64::from(*value))).collect();
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout),
        module: &module,
        // File = entry point.
        entry_point: Some(name),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &constants,
            // Shaders write workgroup memory before they read it.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    Pipeline { pipeline, layout }
}
