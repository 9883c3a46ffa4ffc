//! Sets of hook points, written as globs.

use serde::{Deserialize, Serialize};

use super::{HookPoint, Presence};

/// Hook points by glob, e.g. `blocks.*.attn.hook_pattern`.
///
/// `*` stays within one dot segment and `**` spans several. A glob takes the hook points that every
/// run makes; the on-request ones (`hook_result`, `hook_q_input`, ...) are taken only where the last
/// segment is spelled out, or where the glob matches nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct HookSet(pub Vec<String>);

/// A glob that matches no hook point of the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` matches no hook point of this model")]
pub struct UnmatchedHook {
    /// The glob as it was written.
    pub glob: String,
}

impl HookSet {
    /// The set of exactly these points.
    pub fn of(points: impl IntoIterator<Item = HookPoint>) -> Self {
        Self(points.into_iter().map(|point| point.to_string()).collect())
    }

    /// The points of `available` that the globs name, in the order of `available`.
    ///
    /// Errors: [`UnmatchedHook`] for a glob that names none.
    pub fn resolve(&self, available: &[HookPoint]) -> Result<Vec<HookPoint>, UnmatchedHook> {
        // The matcher's separator is `/`; ours is the dot.
        let paths: Vec<String> = available.iter().map(|point| point.to_string().replace('.', "/")).collect();
        let mut is_taken = vec![false; available.len()];
        for glob in &self.0 {
            for idx in matches(glob, available, &paths)? {
                is_taken[idx] = true;
            }
        }
        Ok(available.iter().zip(is_taken).filter_map(|(point, taken)| taken.then_some(*point)).collect())
    }
}

const WILD: [char; 4] = ['*', '?', '[', '{'];

/// Indices into `available` that `glob` takes; `paths` are their names for the matcher.
fn matches(glob: &str, available: &[HookPoint], paths: &[String]) -> Result<Vec<usize>, UnmatchedHook> {
    let path_glob = glob.replace('.', "/");
    let last_segment = glob.rsplit('.').next().unwrap_or(glob);
    let is_spelled_out = !last_segment.contains(WILD);
    let is_name = !glob.contains(WILD);
    let is_matched = |path: &String| {
        if is_name { *path == path_glob } else { glob_match::glob_match(&path_glob, path) }
    };
    let all: Vec<usize> = (0..available.len()).filter(|idx| is_matched(&paths[*idx])).collect();
    let always: Vec<usize> =
        all.iter().copied().filter(|idx| available[*idx].presence() == Presence::Always).collect();
    let taken = if is_spelled_out || always.is_empty() { all } else { always };
    if taken.is_empty() {
        return Err(UnmatchedHook { glob: glob.to_owned() });
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Site;

    fn available() -> Vec<HookPoint> {
        let mut points = vec![HookPoint::Embed, HookPoint::PosEmbed];
        points.extend((0..2).flat_map(|layer| Site::all().map(move |site| HookPoint::Block(layer, site))));
        points.extend([HookPoint::FinalScale, HookPoint::FinalNormalized, HookPoint::Logits]);
        points
    }

    fn resolve(glob: &str) -> Vec<String> {
        let points = HookSet(vec![glob.to_owned()]).resolve(&available()).unwrap_or_default();
        points.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_star_stays_within_a_segment() {
        assert_eq!(resolve("blocks.*.attn.hook_z"), ["blocks.0.attn.hook_z", "blocks.1.attn.hook_z"]);
        assert_eq!(resolve("*"), ["hook_embed", "hook_pos_embed", "logits"]);
        assert_eq!(
            resolve("blocks.0.*"),
            [
                "blocks.0.hook_resid_pre",
                "blocks.0.hook_attn_out",
                "blocks.0.hook_resid_mid",
                "blocks.0.hook_mlp_out",
                "blocks.0.hook_resid_post"
            ]
        );
    }

    #[test]
    fn on_request_points_must_be_asked_for() {
        assert!(!resolve("blocks.0.attn.*").contains(&"blocks.0.attn.hook_result".to_owned()));
        assert_eq!(resolve("blocks.*.attn.hook_result").len(), 2);
        assert_eq!(resolve("blocks.0.hook_?_input").len(), 3);
    }

    #[test]
    fn a_glob_that_matches_nothing_is_an_error() {
        let set = HookSet(vec!["logits".into(), "blocks.7.*".into()]);
        assert_eq!(set.resolve(&available()), Err(UnmatchedHook { glob: "blocks.7.*".into() }));
    }
}
