//! Interventions: changes to a run, as data.
//!
//! An intervention says where (`at`), on which entries (`select`) and what to do (`edit`). It can be
//! hashed, written into a permalink and replayed, so another run is named by its content (a prompt
//! and its own interventions), never by an id. It never touches a backend; [`crate::engine`] applies it.

use serde::{Deserialize, Serialize};

use crate::{hook::HookPoint, prompt::Prompt};

mod select;

pub use select::{Index, Select, SelectError, Window, from_end};

/// One change to one hook point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// The hook point whose value is replaced; everything after it sees the new value.
    pub at: HookPoint,
    /// The entries to change; an empty selection is the whole value.
    #[serde(default, skip_serializing_if = "Select::is_everything")]
    pub select: Select,
    /// What happens to them.
    pub edit: Edit,
}

/// What happens to the selected entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Becomes 0.
    Zero,
    /// Is multiplied.
    Scale {
        /// The factor.
        by: f32,
    },
    /// Has something added.
    Add {
        /// A number, or one value per selected entry of the last axis.
        values: Values,
    },
    /// Is replaced.
    Set {
        /// A number, or one value per selected entry of the last axis.
        values: Values,
    },
    /// Is replaced by what the same hook point holds in another run (activation patching).
    Patch {
        /// The other run.
        from: Box<Source>,
        /// Pairs `[to, from]` of positions; without it a position is patched from the same position.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        positions: Option<Vec<[i64; 2]>>,
    },
}

/// Values to write: the same everywhere, or along the last axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Values {
    /// One number.
    Scalar(f32),
    /// A vector over the selected entries of the last axis, e.g. a steering vector. [d_model]
    Vector(Vec<f32>),
}

/// A run named by its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What it reads.
    pub prompt: Prompt,
    /// What is changed in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Site;

    #[test]
    fn reads_as_it_is_documented() {
        let json = r#"{"at":"blocks.0.attn.hook_z","select":{"pos":"2:5","head":[1],"component":-1},
                       "edit":{"kind":"patch","from":{"prompt":{"tokens":[1,2]}},"positions":[[3,1]]}}"#;
        let read: Intervention = serde_json::from_str(json).expect("the documented form");
        assert_eq!(read.at, HookPoint::Block(0, Site::Z));
        let again = serde_json::to_string(&read).expect("serialises");
        assert_eq!(serde_json::from_str::<Intervention>(&again).expect("round trip"), read);
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        for json in [
            r#"{"at":"blocks.0.attn.hook_z","edit":{"kind":"zero"},"heads":[1]}"#,
            r#"{"at":"blocks.0.attn.hook_z","edit":{"kind":"scale","factor":2}}"#,
            r#"{"at":"blocks.0.attn.hook_z","select":{"position":1},"edit":{"kind":"zero"}}"#,
        ] {
            assert!(serde_json::from_str::<Intervention>(json).is_err(), "{json}");
        }
    }
}
