//! Which entries of a hook point's value an intervention changes.

use serde::{Deserialize, Serialize};

use crate::hook::{Axis, HookPoint};

/// Entries by axis; an axis that is not named is taken whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// Positions; for scores and patterns the query positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pos: Option<Index>,
    /// Key positions of scores and patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pos: Option<Index>,
    /// Attention heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Index>,
    /// Entries of the last axis: d_model, d_head, d_mlp (a neuron) or d_vocab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Index>,
}

/// Indices along one axis; a negative one counts from the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Index {
    /// One index.
    One(i64),
    /// Several, each once.
    Many(Vec<i64>),
    /// A slice `start:end`, either side optional, `end` not included.
    Slice(String),
}

/// Which positions a value covers. In a cached generation a pass covers only the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Position of the value's first row.
    pub start: usize,
    /// Length of the prompt: what negative positions count from, also while generating.
    pub n_prompt: usize,
}

impl Window {
    /// A whole prompt of `n_prompt` tokens.
    pub fn whole(n_prompt: usize) -> Self {
        Self { start: 0, n_prompt }
    }

    /// Whether this is the first pass, which covers the prompt itself.
    pub fn is_first(self) -> bool {
        self.start == 0
    }
}

/// A selection that does not fit its hook point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SelectError {
    #[error("{at} has no axis `{key}`: its axes are {axes}")]
    NoSuchAxis { at: HookPoint, key: &'static str, axes: String },
    #[error("index {index} is outside `{key}` of {at}, which has {len} entries")]
    OutOfRange { at: HookPoint, key: &'static str, index: i64, len: usize },
    #[error("`{text}` is not a slice; write `start:end`, e.g. `2:5`, `:3` or `-1:`")]
    NotASlice { text: String },
}

impl Select {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The chosen indices along each axis of a value of `shape` at `at`, ascending.
    ///
    /// Positions are those of the whole sequence; a value that covers a later window of it gets the ones
    /// inside, counted from its own first row.
    ///
    /// Errors: an axis that `at` does not have, an index outside it, a malformed slice.
    pub fn resolve(
        &self,
        at: HookPoint,
        shape: &[usize],
        window: Window,
    ) -> Result<Vec<Vec<usize>>, SelectError> {
        let axes = at.axes();
        self.check_axes(at, axes)?;
        let mut chosen = Vec::with_capacity(shape.len());
        for (axis, len) in axes.iter().zip(shape) {
            let (key, index, start) = match axis {
                Axis::Pos => ("pos", &self.pos, window.start),
                Axis::KeyPos => ("key_pos", &self.key_pos, 0),
                Axis::Head | Axis::KvHead => ("head", &self.head, 0),
                Axis::DModel | Axis::DHead | Axis::DMlp | Axis::DVocab | Axis::One => {
                    ("component", &self.component, 0)
                }
            };
            let Some(index) = index else {
                chosen.push((0..*len).collect());
                continue;
            };
            let n_counted = if matches!(axis, Axis::Pos | Axis::KeyPos) { window.n_prompt } else { *len };
            let indices = index.resolve(n_counted, start + len)?;
            if let Some(index) = indices.iter().find(|index| **index >= (start + len) as i64 || **index < 0)
                && window.is_first()
            {
                return Err(SelectError::OutOfRange { at, key, index: *index, len: *len });
            }
            let inside =
                indices.into_iter().filter_map(|index| usize::try_from(index).ok()?.checked_sub(start));
            chosen.push(inside.filter(|index| index < len).collect());
        }
        Ok(chosen)
    }

    fn check_axes(&self, at: HookPoint, axes: &[Axis]) -> Result<(), SelectError> {
        let has_component = !axes.contains(&Axis::KeyPos);
        for (key, is_given, is_there) in [
            ("pos", self.pos.is_some(), axes.contains(&Axis::Pos)),
            ("key_pos", self.key_pos.is_some(), axes.contains(&Axis::KeyPos)),
            ("head", self.head.is_some(), axes.iter().any(|axis| matches!(axis, Axis::Head | Axis::KvHead))),
            ("component", self.component.is_some(), has_component),
        ] {
            if is_given && !is_there {
                return Err(SelectError::NoSuchAxis { at, key, axes: format!("{axes:?}") });
            }
        }
        Ok(())
    }
}

impl Index {
    /// The indices, ascending; `n_counted` is what negative ones count from, `end` where a slice ends.
    fn resolve(&self, n_counted: usize, end: usize) -> Result<Vec<i64>, SelectError> {
        let mut indices = match self {
            Self::One(index) => vec![from_end(*index, n_counted)],
            Self::Many(indices) => indices.iter().map(|index| from_end(*index, n_counted)).collect(),
            Self::Slice(text) => return slice(text, n_counted, end),
        };
        indices.sort_unstable();
        indices.dedup();
        Ok(indices)
    }
}

/// `index`, or `n + index` if it counts from the end.
pub fn from_end(index: i64, n: usize) -> i64 {
    if index < 0 { index + n as i64 } else { index }
}

/// As in Python: a slice that reaches outside is cut, not refused.
fn slice(text: &str, n_counted: usize, end: usize) -> Result<Vec<i64>, SelectError> {
    let malformed = || SelectError::NotASlice { text: text.to_owned() };
    let (from, to) = text.split_once(':').ok_or_else(malformed)?;
    let bound = |side: &str, default: usize| match side.trim() {
        "" => Ok(default as i64),
        digits => {
            let index: i64 = digits.parse().map_err(|_| malformed())?;
            Ok(from_end(index, n_counted).clamp(0, end as i64))
        }
    };
    Ok((bound(from, 0)?..bound(to, end)?).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Site;

    const N_POS: usize = 4;

    fn resolve(json: &str, site: Site, shape: &[usize]) -> Result<Vec<Vec<usize>>, SelectError> {
        let select: Select = serde_json::from_str(json).expect("a selection");
        select.resolve(HookPoint::Block(0, site), shape, Window::whole(N_POS))
    }

    #[test]
    fn indices_lists_and_slices() {
        let chosen = resolve(r#"{"pos":"1:3","head":-1,"component":[3,0,3]}"#, Site::Z, &[4, 2, 5]);
        assert_eq!(chosen, Ok(vec![vec![1, 2], vec![1], vec![0, 3]]));
        assert_eq!(resolve("{}", Site::ResidPre, &[4, 2]), Ok(vec![vec![0, 1, 2, 3], vec![0, 1]]));
        assert_eq!(resolve(r#"{"pos":"-2:"}"#, Site::ResidPre, &[4, 1]), Ok(vec![vec![2, 3], vec![0]]));
    }

    #[test]
    fn patterns_have_query_and_key_positions() {
        let chosen = resolve(r#"{"pos":2,"key_pos":":2","head":0}"#, Site::Pattern, &[2, 4, 4]);
        assert_eq!(chosen, Ok(vec![vec![0], vec![2], vec![0, 1]]));
    }

    #[test]
    fn a_later_pass_gets_the_positions_inside_it() {
        let at = HookPoint::Block(0, Site::ResidPre);
        let newest = Window { start: 5, n_prompt: 4 };
        for (json, want) in [
            ("{}", vec![0]),
            (r#"{"pos":5}"#, vec![0]),
            (r#"{"pos":3}"#, vec![]),
            (r#"{"pos":-1}"#, vec![]),
            (r#"{"pos":"2:"}"#, vec![0]),
            (r#"{"pos":":-1"}"#, vec![]),
        ] {
            let select: Select = serde_json::from_str(json).expect("a selection");
            assert_eq!(select.resolve(at, &[1, 2], newest), Ok(vec![want, vec![0, 1]]), "{json}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(resolve(r#"{"head":0}"#, Site::ResidPre, &[4, 2]).is_err());
        assert!(resolve(r#"{"component":0}"#, Site::Pattern, &[2, 4, 4]).is_err());
        assert!(resolve(r#"{"pos":4}"#, Site::ResidPre, &[4, 2]).is_err());
        assert!(resolve(r#"{"pos":-5}"#, Site::ResidPre, &[4, 2]).is_err());
        assert!(resolve(r#"{"pos":"one:2"}"#, Site::ResidPre, &[4, 2]).is_err());
        assert!(resolve(r#"{"pos":"3"}"#, Site::ResidPre, &[4, 2]).is_err());
    }
}
