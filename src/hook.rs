//! Hook points: the named places in a forward pass, spelled as in TransformerLens.
//!
//! `HookPoint` is data: it is hashed, written into permalinks and reports, and parsed back.
//! It never knows weights or backends; which hook points a model has is in [`crate::model`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

mod set;

pub use set::{HookSet, UnmatchedHook};

/// A place in the forward pass where a value can be captured or edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookPoint {
    /// `hook_embed`: token embedding, scaled if the model scales it. [pos d_model]
    Embed,
    /// `hook_pos_embed`: learned position embedding. [pos d_model]
    PosEmbed,
    /// `blocks.{layer}.…`
    Block(usize, Site),
    /// `ln_final.hook_scale`: the divisor sqrt(var + eps). [pos 1]
    FinalScale,
    /// `ln_final.hook_normalized`: before the weight and bias. [pos d_model]
    FinalNormalized,
    /// `logits`: what the model says. Not a TransformerLens hook; a name for captures. [pos d_vocab]
    Logits,
}

/// A place inside one block, in order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "TABLE gives each its TransformerLens name and axes")]
pub enum Site {
    ResidPre,
    AttnIn,
    QInput,
    KInput,
    VInput,
    Ln1Scale,
    Ln1Normalized,
    Q,
    K,
    V,
    QNormScale,
    QNormNormalized,
    KNormScale,
    KNormNormalized,
    RotQ,
    RotK,
    AttnScores,
    Pattern,
    Z,
    Result,
    Ln1PostScale,
    Ln1PostNormalized,
    AttnOut,
    ResidMid,
    MlpIn,
    Ln2Scale,
    Ln2Normalized,
    MlpPre,
    MlpPreLinear,
    MlpPost,
    Ln2PostScale,
    Ln2PostNormalized,
    MlpOut,
    ResidPost,
}

/// What an axis of a hook point counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the field's own words")]
pub enum Axis {
    Pos,
    KeyPos,
    Head,
    /// Heads of keys and values, which several query heads may share.
    KvHead,
    DModel,
    DHead,
    DMlp,
    DVocab,
    One,
}

/// Whether a hook point is made in every run or only when somebody asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Computed in any forward pass.
    Always,
    /// Costs extra memory or time, so made on request (TransformerLens' `use_attn_result` and kin).
    OnRequest,
}

type Row = (Site, &'static str, &'static [Axis], Presence);

/// Every site of a block: TransformerLens name, axes, presence; in order of execution.
const TABLE: &[Row] = {
    use Axis::{DHead, DMlp, DModel, Head, KeyPos, KvHead, One, Pos};
    use Presence::{Always, OnRequest};
    &[
        (Site::ResidPre, "hook_resid_pre", &[Pos, DModel], Always),
        (Site::AttnIn, "hook_attn_in", &[Pos, Head, DModel], OnRequest),
        (Site::QInput, "hook_q_input", &[Pos, Head, DModel], OnRequest),
        (Site::KInput, "hook_k_input", &[Pos, KvHead, DModel], OnRequest),
        (Site::VInput, "hook_v_input", &[Pos, KvHead, DModel], OnRequest),
        (Site::Ln1Scale, "ln1.hook_scale", &[Pos, One], Always),
        (Site::Ln1Normalized, "ln1.hook_normalized", &[Pos, DModel], Always),
        (Site::Q, "attn.hook_q", &[Pos, Head, DHead], Always),
        (Site::K, "attn.hook_k", &[Pos, KvHead, DHead], Always),
        (Site::V, "attn.hook_v", &[Pos, KvHead, DHead], Always),
        (Site::QNormScale, "attn.q_norm.hook_scale", &[Pos, Head, One], Always),
        (Site::QNormNormalized, "attn.q_norm.hook_normalized", &[Pos, Head, DHead], Always),
        (Site::KNormScale, "attn.k_norm.hook_scale", &[Pos, KvHead, One], Always),
        (Site::KNormNormalized, "attn.k_norm.hook_normalized", &[Pos, KvHead, DHead], Always),
        (Site::RotQ, "attn.hook_rot_q", &[Pos, Head, DHead], Always),
        (Site::RotK, "attn.hook_rot_k", &[Pos, KvHead, DHead], Always),
        (Site::AttnScores, "attn.hook_attn_scores", &[Head, Pos, KeyPos], Always),
        (Site::Pattern, "attn.hook_pattern", &[Head, Pos, KeyPos], Always),
        (Site::Z, "attn.hook_z", &[Pos, Head, DHead], Always),
        (Site::Result, "attn.hook_result", &[Pos, Head, DModel], OnRequest),
        (Site::Ln1PostScale, "ln1_post.hook_scale", &[Pos, One], Always),
        (Site::Ln1PostNormalized, "ln1_post.hook_normalized", &[Pos, DModel], Always),
        (Site::AttnOut, "hook_attn_out", &[Pos, DModel], Always),
        (Site::ResidMid, "hook_resid_mid", &[Pos, DModel], Always),
        (Site::MlpIn, "hook_mlp_in", &[Pos, DModel], OnRequest),
        (Site::Ln2Scale, "ln2.hook_scale", &[Pos, One], Always),
        (Site::Ln2Normalized, "ln2.hook_normalized", &[Pos, DModel], Always),
        (Site::MlpPre, "mlp.hook_pre", &[Pos, DMlp], Always),
        (Site::MlpPreLinear, "mlp.hook_pre_linear", &[Pos, DMlp], Always),
        (Site::MlpPost, "mlp.hook_post", &[Pos, DMlp], Always),
        (Site::Ln2PostScale, "ln2_post.hook_scale", &[Pos, One], Always),
        (Site::Ln2PostNormalized, "ln2_post.hook_normalized", &[Pos, DModel], Always),
        (Site::MlpOut, "hook_mlp_out", &[Pos, DModel], Always),
        (Site::ResidPost, "hook_resid_post", &[Pos, DModel], Always),
    ]
};

impl Site {
    /// Every site, in order of execution.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// Whether the site belongs to the MLP half, which attention-only models lack.
    pub fn is_mlp(self) -> bool {
        self >= Self::ResidMid && self <= Self::MlpOut
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl HookPoint {
    /// What the axes of the value count, outermost first.
    pub fn axes(self) -> &'static [Axis] {
        match self {
            Self::Embed | Self::PosEmbed | Self::FinalNormalized => &[Axis::Pos, Axis::DModel],
            Self::FinalScale => &[Axis::Pos, Axis::One],
            Self::Logits => &[Axis::Pos, Axis::DVocab],
            Self::Block(_, site) => site.row().2,
        }
    }

    /// Whether every run makes it.
    pub fn presence(self) -> Presence {
        match self {
            Self::Embed | Self::PosEmbed | Self::FinalScale | Self::FinalNormalized | Self::Logits => {
                Presence::Always
            }
            Self::Block(_, site) => site.row().3,
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("hook_embed"),
            Self::PosEmbed => f.write_str("hook_pos_embed"),
            Self::Block(layer, site) => write!(f, "blocks.{layer}.{}", site.row().1),
            Self::FinalScale => f.write_str("ln_final.hook_scale"),
            Self::FinalNormalized => f.write_str("ln_final.hook_normalized"),
            Self::Logits => f.write_str("logits"),
        }
    }
}

/// A name that is no hook point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a hook point; names look like `blocks.0.attn.hook_pattern`")]
pub struct UnknownHook {
    /// The name as it was written.
    pub name: String,
}

impl FromStr for HookPoint {
    type Err = UnknownHook;

    fn from_str(name: &str) -> Result<Self, UnknownHook> {
        let unknown = || UnknownHook { name: name.to_owned() };
        match name {
            "hook_embed" => return Ok(Self::Embed),
            "hook_pos_embed" => return Ok(Self::PosEmbed),
            "ln_final.hook_scale" => return Ok(Self::FinalScale),
            "ln_final.hook_normalized" => return Ok(Self::FinalNormalized),
            "logits" => return Ok(Self::Logits),
            _ => {}
        }
        let (layer, site) =
            name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
        let row = TABLE.iter().find(|row| row.1 == site).ok_or_else(unknown)?;
        Ok(Self::Block(layer.parse().map_err(|_| unknown())?, row.0))
    }
}

impl Serialize for HookPoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HookPoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for HookPoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HookPoint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A TransformerLens hook name, e.g. blocks.5.attn.hook_pattern"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_enum_order() {
        for (idx, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, idx, "{}", row.1);
        }
    }

    #[test]
    fn every_name_parses_back() {
        let sites = Site::all().map(|site| HookPoint::Block(11, site));
        let others = [
            HookPoint::Embed,
            HookPoint::PosEmbed,
            HookPoint::FinalScale,
            HookPoint::FinalNormalized,
            HookPoint::Logits,
        ];
        for point in sites.chain(others) {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
    }

    #[test]
    fn a_wrong_name_is_refused() {
        for name in
            ["", "blocks", "blocks.x.hook_z", "blocks.0.hook_z", "blocks.0.attn.hook_q2", "hook_Embed"]
        {
            assert!(name.parse::<HookPoint>().is_err(), "{name}");
        }
    }
}
