//! A Vulkan driver for the native WebGPU tests: on a machine without a GPU, Mesa's lavapipe.

use anyhow::Result;
use std::path::Path;

use crate::debian;

/// Where the Vulkan loader finds its drivers.
const DRIVER_FOLDERS: [&str; 3] =
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// Makes sure that there is a driver; on Debian as root, installs one if it is missing.
///
/// Errors: the installation fails. A missing driver is no error here: the tests say what to install.
pub fn ensure() -> Result<()> {
    let is_there = !cfg!(target_os = "linux")
        || std::env::var_os("VK_DRIVER_FILES").is_some()
        || DRIVER_FOLDERS.iter().any(|folder| has_entries(Path::new(folder)));
    if is_there || !debian::may_install() {
        return Ok(());
    }
    println!("Installing a Vulkan driver that computes on the CPU (once a machine, under a minute).");
    debian::install(&["libvulkan1", "mesa-vulkan-drivers"])
}

fn has_entries(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
