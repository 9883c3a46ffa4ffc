//! What the parts of the panel share: the choices made in it and the pictures that follow from them.

use std::{sync::Arc, time::Duration};

use leptos::prelude::*;

use crate::{
    analysis::attention::{Answer, HeadMatrix},
    ui::{focus::Focus, mark::watch, state::State},
    view_model::{
        color::head_hue,
        head_grid::{self, GridCell},
        head_score::HeadScore,
        heatmap::{FirstKey, Heatmap, Normalisation, Quantity},
        reading,
        token_strip::{TokenText, token_text},
        views,
    },
};

/// A head that is only passed over is not asked about.
const SETTLING: Duration = Duration::from_millis(180);
/// Ranks shown at first.
const N_RANKED: usize = 3;

/// Choices and pictures; copies share them.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) answer: Signal<Option<Arc<Answer>>>,
    pub(super) focus: Focus,
    /// Whether there is somebody to ask for scores.
    pub(super) can_ask: bool,

    pub(super) metric: RwSignal<HeadScore>,
    pub(super) n_ranked: RwSignal<usize>,
    pub(super) first_key: RwSignal<FirstKey>,
    pub(super) normalisation: RwSignal<Normalisation>,
    pub(super) quantity: RwSignal<Quantity>,
    pub(super) zoom: RwSignal<u8>,
    /// The key under the pointer or the cursor.
    pub(super) key: RwSignal<Option<usize>>,

    pub(super) tokens: Memo<Arc<Vec<TokenText>>>,
    pub(super) dims: Memo<[usize; 2]>,
    pub(super) cells: Memo<Vec<GridCell>>,
    /// The head in focus, else the one with the highest score.
    pub(super) head: Memo<Option<[usize; 2]>>,
    pub(super) hue: Memo<f32>,
    /// That head's attention, whatever the matrix shows.
    pub(super) pattern: Memo<Option<Arc<Heatmap>>>,
    /// What the matrix shows; none while scores are on their way.
    pub(super) shown: Memo<Option<Arc<Heatmap>>>,
    /// The position in focus, else the query of the strongest pair.
    pub(super) pos: Memo<Option<usize>>,
    pub(super) repaints: ReadSignal<u32>,
    pub(super) is_stale: Signal<bool>,
    pub(super) is_busy: Signal<bool>,
}

impl View {
    pub(super) fn new(answer: Signal<Option<Arc<Answer>>>, ask_scores: Option<Callback<[usize; 2]>>) -> Self {
        // On the page its state decides; a panel on its own has defaults.
        let page = use_context::<State>();
        let focus = Focus::from_page();
        let metric = page.map_or_else(|| RwSignal::new(HeadScore::default()), |page| page.lit_by);
        let n_ranked = RwSignal::new(N_RANKED);
        let first_key = RwSignal::new(FirstKey::default());
        let normalisation = RwSignal::new(Normalisation::default());
        let quantity = RwSignal::new(Quantity::default());

        let tokens = Memo::new(move |_| {
            Arc::new(
                answer.get().map(|answer| answer.tokens.iter().map(token_text).collect()).unwrap_or_default(),
            )
        });
        let dims = Memo::new(move |_| answer.get().map_or([0, 0], |answer| head_grid::dims(&answer.heads)));
        let cells = Memo::new(move |_| {
            let Some(answer) = answer.get() else { return vec![] };
            head_grid::cells(&answer.heads, answer.tokens.len(), metric.get(), n_ranked.get())
        });
        let head = Memo::new(move |_| {
            let answer = answer.get()?;
            let heads = &answer.heads;
            let has = |head: &[usize; 2]| heads.iter().any(|scores| [scores.layer, scores.head] == *head);
            let ranked = || head_grid::ranked(heads, metric.get()).first().copied();
            let first = || heads.first().map(|scores| [scores.layer, scores.head]);
            focus.head.focused().filter(has).or_else(ranked).or_else(first)
        });
        let hue = Memo::new(move |_| head.get().map_or(0.0, |head| head_hue(head, dims.get())));
        let pattern = Memo::new(move |_| {
            let answer = answer.get()?;
            let matrix = find(&answer.patterns, head.get()?)?;
            Some(Arc::new(Heatmap::new(matrix, Quantity::Attention, first_key.get(), normalisation.get())))
        });
        let shown = Memo::new(move |_| match quantity.get() {
            Quantity::Attention => pattern.get(),
            Quantity::Score => {
                let answer = answer.get()?;
                let matrix = find(&answer.scores, head.get()?)?;
                Some(Arc::new(Heatmap::new(matrix, Quantity::Score, first_key.get(), normalisation.get())))
            }
        });
        let pos = Memo::new(move |_| {
            let map = pattern.get()?;
            let strongest = || reading::strongest(&map, 1).first().map(|pair| pair.q);
            // Behind another view it does not follow the pointer.
            let is_open = page.is_none_or(|page| page.view.get() == views::View::Attention);
            let at = if is_open { focus.pos.focused() } else { focus.pos.locked() };
            at.filter(|pos| *pos < map.n).or_else(strongest)
        });
        if let Some(ask_scores) = ask_scores {
            ask_when_settled(quantity, shown, head, ask_scores);
        }
        Self {
            answer,
            focus,
            can_ask: ask_scores.is_some(),
            metric,
            n_ranked,
            first_key,
            normalisation,
            quantity,
            zoom: RwSignal::new(1),
            key: RwSignal::new(None),
            tokens,
            dims,
            cells,
            head,
            hue,
            pattern,
            shown,
            pos,
            repaints: watch::repaints(),
            is_stale: Signal::derive(move || page.is_some_and(State::is_stale)),
            is_busy: Signal::derive(move || page.is_some_and(State::is_busy)),
        }
    }

    /// The pattern of any head, for its thumbnail.
    pub(super) fn pattern_of(self, head: [usize; 2]) -> Signal<Option<Arc<Heatmap>>> {
        Signal::derive(move || {
            let answer = self.answer.get()?;
            let matrix = find(&answer.patterns, head)?;
            let (first_key, normalisation) = (self.first_key.get(), self.normalisation.get());
            Some(Arc::new(Heatmap::new(matrix, Quantity::Attention, first_key, normalisation)))
        })
    }
}

fn find(matrices: &[HeadMatrix], [layer, head]: [usize; 2]) -> Option<&HeadMatrix> {
    matrices.iter().find(|matrix| (matrix.layer, matrix.head) == (layer, head))
}

/// Asks for what the matrix lacks, once the pointer has come to rest.
fn ask_when_settled(
    quantity: RwSignal<Quantity>,
    shown: Memo<Option<Arc<Heatmap>>>,
    head: Memo<Option<[usize; 2]>>,
    ask_scores: Callback<[usize; 2]>,
) {
    let timer = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move || {
        if let Some(timer) = timer.get_value() {
            timer.clear();
        }
        let is_missing = quantity.get() == Quantity::Score && shown.with(Option::is_none);
        if let Some(head) = head.get().filter(|_| is_missing) {
            timer.set_value(set_timeout_with_handle(move || ask_scores.run(head), SETTLING).ok());
        }
    });
}
