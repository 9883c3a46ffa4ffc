//! What goes wrong on a device, by what can be done about it.

use serde::{Deserialize, Serialize};

/// What is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceFault {
    /// It is gone: nothing works on it any more, and what was on it is lost.
    Lost,
    /// It has no memory for this; less may work.
    OutOfMemory,
    /// It refused a call: a defect of Vitrine or of a driver. Other calls may work.
    Invalid,
    /// There is none.
    Missing,
}

impl DeviceFault {
    /// What to try.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Lost => "Start it again, or compute on the CPU; there it takes longer and gives the same.",
            Self::OutOfMemory => {
                "Ask for less at once, take a smaller model, close other tabs, or compute on the CPU."
            }
            Self::Invalid => "Compute on the CPU instead, and report it with the name of the adapter.",
            Self::Missing => {
                "Compute on the CPU; or update the browser and the graphics driver, and switch hardware acceleration on."
            }
        }
    }
}
