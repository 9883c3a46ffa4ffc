//! Numeric kernels on plain slices, for the CPU backend.
//!
//! It knows matrices and nothing else: no tensors, no models, no allocation, no dependencies.
#![no_std]
