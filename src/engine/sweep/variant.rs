//! Where a variant leaves the base run, and which ones go through the layers together.

use crate::{
    engine::{RunError, edits::Edits},
    hook::HookPoint,
    model::ModelConfig,
};

/// One variant of a sweep.
#[derive(Debug)]
pub(super) struct Variant {
    /// Which one.
    pub(super) nth: usize,
    /// What is changed in it, the shared edits included.
    pub(super) edits: Edits,
    /// Where its own edits begin; `None` if they touch nothing.
    pub(super) entry: Option<Entry>,
}

/// The first place that differs from the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The first block that is affected; `n_layers` if only what follows the last one is.
    layer: usize,
    /// Whether the embedding itself is edited.
    is_embedded: bool,
    /// The first position.
    start: usize,
}

impl Variant {
    /// `edits` are `n_shared` that the base has as well, then its own.
    pub(super) fn new(
        nth: usize,
        edits: Edits,
        n_shared: usize,
        config: &ModelConfig,
        n_pos: usize,
    ) -> Result<Self, RunError> {
        let mut entry: Option<Entry> = None;
        for (hook, start) in edits.starts(n_shared, config, n_pos)? {
            let (layer, is_embedded) = match hook {
                HookPoint::Embed | HookPoint::PosEmbed => (0, true),
                HookPoint::Block(layer, _) => (layer, false),
                HookPoint::FinalScale | HookPoint::FinalNormalized | HookPoint::Logits => {
                    (config.n_layers, false)
                }
            };
            let own = Entry { layer, is_embedded, start };
            entry = Some(entry.map_or(own, |first| Entry {
                layer: first.layer.min(own.layer),
                is_embedded: first.is_embedded || own.is_embedded,
                start: first.start.min(own.start),
            }));
        }
        Ok(Self { nth, edits, entry })
    }

    /// The first block that is affected.
    pub(super) fn layer(&self) -> usize {
        self.entry.map_or(usize::MAX, |entry| entry.layer)
    }

    /// The first position that is affected.
    pub(super) fn start(&self) -> usize {
        self.entry.map_or(0, |entry| entry.start)
    }

    /// Whether its embedding is not the base's.
    pub(super) fn is_embedded(&self) -> bool {
        self.entry.is_some_and(|entry| entry.is_embedded)
    }
}

/// The variants that change something, first layers first, in groups of at most `max_rows` rows (or one variant).
pub(super) fn groups(variants: &[Variant], n_pos: usize, max_rows: usize) -> Vec<Vec<&Variant>> {
    let mut ordered: Vec<&Variant> = variants.iter().filter(|variant| variant.entry.is_some()).collect();
    ordered.sort_by_key(|variant| (variant.layer(), variant.start()));
    let mut groups: Vec<Vec<&Variant>> = vec![];
    let mut n_rows = 0;
    for variant in ordered {
        let n_more = n_pos - variant.start();
        match groups.last_mut() {
            Some(group) if n_rows + n_more <= max_rows => {
                n_rows += n_more;
                group.push(variant);
            }
            Some(_) | None => {
                n_rows = n_more;
                groups.push(vec![variant]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(nth: usize, layer: usize, start: usize) -> Variant {
        let entry = Some(Entry { layer, is_embedded: false, start });
        Variant { nth, edits: Edits::default(), entry }
    }

    #[test]
    fn groups_hold_every_variant_once_and_few_rows() {
        let mut variants: Vec<Variant> = (0..9).map(|nth| variant(nth, 8 - nth, nth % 3)).collect();
        variants.push(Variant { nth: 9, edits: Edits::default(), entry: None });
        let groups = groups(&variants, 5, 9);
        let mut seen: Vec<usize> = groups.iter().flatten().map(|of| of.nth).collect();
        assert!(groups.iter().all(|group| group.iter().map(|of| 5 - of.start()).sum::<usize>() <= 9));
        assert!(groups.iter().flatten().map(|of| of.layer()).is_sorted());
        seen.sort_unstable();
        assert_eq!(seen, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn a_variant_larger_than_a_group_has_one_of_its_own() {
        let variants = [variant(0, 0, 0), variant(1, 0, 4)];
        assert_eq!(groups(&variants, 5, 2).len(), 2);
    }
}
