//! The questions that the page asks, as JSON.
//!
//! They are written as text: the types that could write them would be an eighth of the page, for a handful of forms.
//! The tests read each with those types.

mod heads;
mod induction;

pub use induction::{Extra, extra};

use super::{Against, Choices, View, choices::Ablation};
use crate::{
    analysis::effects::Component,
    hook::{HookPoint, Site},
    prompt::Bos,
    view_model::{address::key_of, examples::EXAMPLES},
};

/// Candidates at each position.
const TOP_K: usize = 10;
/// Candidates in a cell of the lens, and of a token's loss.
const TOP_K_CELL: usize = 5;
/// Random components beside a tested one.
const N_RANDOM: usize = 24;
const TOP_NEURONS: usize = 16;

/// What a view's question is about.
#[derive(Clone, Debug, PartialEq)]
pub struct About<'a> {
    /// The prompt.
    pub text: &'a str,
    /// Whether a BOS goes in front.
    pub bos: Bos,
    /// The position that is locked.
    pub pos: Option<usize>,
    /// The head that is locked, `[layer, head]`.
    pub head: Option<[usize; 2]>,
    /// What the model says after that position, or after the last one: ids, the likeliest first.
    pub leading: &'a [u32],
}

/// What is asked about the other side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Of another model than the page's.
    pub model: Option<String>,
    /// The question.
    pub question: String,
}

/// Attention and predictions; with the scores of one head before the softmax, if wanted.
pub fn attention(text: &str, bos: Bos, scores: Option<[usize; 2]>) -> String {
    let scores = scores.map_or_else(|| quoted("none"), |[layer, head]| format!("[[{layer},{head}]]"));
    Question::of("attention", text, bos).and("top_k", &TOP_K.to_string()).and("scores", &scores).done()
}

/// What a view asks; none where something that it needs is not known yet, and for attention, which is always asked.
pub fn first(view: View, about: &About<'_>, choices: &Choices) -> Option<String> {
    let question = own(view, about, choices, &Side::of(about.text))?;
    Some(match choices.against {
        Against::Without(component) if view == View::Loss => {
            question.and("other", &format!("[{}]", without(component))).done()
        }
        _ => question.done(),
    })
}

/// One side of a comparison.
struct Side<'a> {
    text: &'a str,
    /// Whether ids of tokens mean there what they mean here.
    has_ids: bool,
}

impl<'a> Side<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, has_ids: true }
    }
}

/// What a view asks about one side.
fn own(view: View, about: &About<'_>, choices: &Choices, side: &Side<'_>) -> Option<Question> {
    let of = |kind| Question::of(kind, side.text, about.bos);
    let pos = about.pos.map_or(-1, |pos| pos as i64).to_string();
    Some(match view {
        View::Attention => return None,
        View::Heads => heads::heads(about, choices)?,
        View::Head => heads::head(about, choices)?,
        View::Induction => induction::induction(choices),
        View::Lens => of("logit_lens")
            .and("halves", if choices.halves { "true" } else { "false" })
            .and("top_k", &TOP_K_CELL.to_string())
            .and("pinned", &list(&if side.has_ids { pinned(about, choices)? } else { vec![] }))
            .and("scale", &quoted(if choices.is_frozen { "frozen" } else { "recomputed" })),
        View::Attribution => {
            let (targets, distractors) = direction(about, choices)?;
            of("attribution")
                .and("targets", &list(&targets))
                .and("distractors", &list(&distractors))
                .and("pos", &pos)
                .and("top_neurons", &TOP_NEURONS.to_string())
        }
        View::Residual => {
            let question = of("residual").and("pos", &pos);
            let question = match choices.direction.filter(|_| side.has_ids) {
                Some(id) => question.and("token", &id.to_string()),
                None => question,
            };
            match choices.at {
                Some(at) => question.and("at", &quoted(&at.to_string())),
                None => question,
            }
        }
        View::Loss => of("loss").and("top_k", &TOP_K_CELL.to_string()),
    })
}

/// What a view asks about the other side of a comparison.
pub fn other(view: View, about: &About<'_>, choices: &Choices) -> Option<Beside> {
    let asked =
        |side: Side<'_>, model| Some(Beside { model, question: own(view, about, choices, &side)?.done() });
    match (view, &choices.against) {
        (View::Attention | View::Heads | View::Head | View::Induction, _) | (_, Against::Nothing) => None,
        (_, Against::Other) if choices.other.trim().is_empty() => None,
        (_, Against::Other) => asked(Side::of(&choices.other), None),
        (View::Loss, Against::Without(_)) => None, // In the first question.
        (_, Against::Without(component)) => {
            let question = own(view, about, choices, &Side::of(about.text))?;
            let question = question.and("interventions", &format!("[{}]", without(*component))).done();
            Some(Beside { model: None, question })
        }
        // It is about tokens, and another model may number them otherwise.
        (View::Attribution, Against::Model(_)) => None,
        (View::Lens | View::Residual | View::Loss, Against::Model(id)) => {
            asked(Side { text: about.text, has_ids: false }, Some(id.clone()))
        }
    }
}

/// Whether a question is about all heads, as the head page's is while no head is locked.
pub fn is_of_heads(question: &str) -> bool {
    question.starts_with(heads::OF_HEADS)
}

/// Whether a component matters.
pub fn test(view: View, about: &About<'_>, choices: &Choices) -> Option<String> {
    match view {
        View::Attribution | View::Residual | View::Heads | View::Head => {
            effects(about, choices, choices.test?)
        }
        View::Attention | View::Induction | View::Lens | View::Loss => None,
    }
}

fn effects(about: &About<'_>, choices: &Choices, component: Component) -> Option<String> {
    let (targets, distractors) = direction(about, choices)?;
    let (pos, target) = (about.pos.map_or(-1, |pos| pos as i64), targets.first()?);
    let metric = match distractors.first() {
        Some(wrong) => {
            format!(r#"{{"kind":"logit_diff","pos":{pos},"correct":{target},"wrong":{wrong}}}"#)
        }
        None => format!(r#"{{"kind":"logprob","pos":{pos},"token":{target}}}"#),
    };
    let ablation = match choices.ablation {
        Ablation::Zero => quoted("zero"),
        Ablation::Mean => {
            let prompts: Vec<String> =
                EXAMPLES.iter().map(|example| prompt(example.text, about.bos)).collect();
            format!(r#"{{"mean":[{}]}}"#, prompts.join(","))
        }
        Ablation::Resample if choices.other.trim().is_empty() => return None,
        Ablation::Resample => format!(r#"{{"resample":{}}}"#, prompt(&choices.other, about.bos)),
    };
    let question = Question::of("effects", about.text, about.bos)
        .and("metric", &metric)
        .and("components", &format!("[{}]", written(component)))
        .and("ablation", &ablation)
        .and("n_random", &N_RANDOM.to_string());
    Some(question.done())
}

/// The tokens that the lens follows: those that were chosen, or else what the model says.
fn pinned(about: &About<'_>, choices: &Choices) -> Option<Vec<u32>> {
    if !choices.pins.is_empty() {
        return Some(choices.pins.clone());
    }
    (!about.leading.is_empty()).then(|| about.leading.iter().copied().take(3).collect())
}

/// Targets and distractors: those that were chosen, or else the model's first guess and its second.
fn direction(about: &About<'_>, choices: &Choices) -> Option<(Vec<u32>, Vec<u32>)> {
    if !choices.targets.is_empty() {
        return Some((choices.targets.clone(), choices.distractors.clone()));
    }
    let first = *about.leading.first()?;
    let others = || about.leading.iter().copied().filter(|id| *id != first).take(1).collect();
    let distractors = if choices.distractors.is_empty() { others() } else { choices.distractors.clone() };
    Some((vec![first], distractors))
}

/// What puts 0 in the place of a component.
fn without(component: Component) -> String {
    let zero = |at: HookPoint, select: String| format!(r#"{{"at":"{at}"{select},"edit":{{"kind":"zero"}}}}"#);
    match component {
        Component::Head([layer, head]) => {
            zero(HookPoint::Block(layer, Site::Z), format!(r#","select":{{"head":{head}}}"#))
        }
        Component::Mlp(layer) => zero(HookPoint::Block(layer, Site::MlpOut), String::new()),
        Component::Neuron([layer, neuron]) => {
            zero(HookPoint::Block(layer, Site::MlpPost), format!(r#","select":{{"component":{neuron}}}"#))
        }
    }
}

fn written(component: Component) -> String {
    match component {
        Component::Head([layer, head]) => format!(r#"{{"head":[{layer},{head}]}}"#),
        Component::Mlp(layer) => format!(r#"{{"mlp":{layer}}}"#),
        Component::Neuron([layer, neuron]) => format!(r#"{{"neuron":[{layer},{neuron}]}}"#),
    }
}

fn list(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(","))
}

fn prompt(text: &str, bos: Bos) -> String {
    format!(r#"{{"text":{},"bos":"{}"}}"#, quoted(text), key_of(bos))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// A question under construction.
struct Question(String);

impl Question {
    fn of(kind: &str, text: &str, bos: Bos) -> Self {
        Self(format!(r#"{{"kind":"{kind}","prompt":{}"#, prompt(text, bos)))
    }

    /// Adds a field, whose value is JSON.
    fn and(mut self, key: &str, value: &str) -> Self {
        self.0.push_str(",\"");
        self.0.push_str(key);
        self.0.push_str("\":");
        self.0.push_str(value);
        self
    }

    fn done(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;
    use crate::{
        analysis::{attention as attention_of, attribution, effects, logit_lens, loss, residual},
        intervention::{Edit, Index},
        metric::Metric,
        prompt::Prompt,
    };

    pub(super) fn about() -> About<'static> {
        About { text: "a \"b\"\n\\", bos: Bos::No, pos: None, head: None, leading: &[7, 7, 3] }
    }

    pub(super) fn text() -> Prompt {
        Prompt::Text { text: about().text.to_owned(), bos: Bos::No }
    }

    /// The question as its type reads it, without the word for its kind.
    pub(super) fn read<T: DeserializeOwned>(kind: &str, question: &str) -> T {
        let mut value: Value =
            serde_json::from_str(question).unwrap_or_else(|error| panic!("{question}: {error}"));
        let found = value.as_object_mut().and_then(|fields| fields.remove("kind"));
        assert_eq!(found, Some(Value::from(kind)), "{question}");
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    fn asked<T: DeserializeOwned>(kind: &str, view: View, choices: &Choices) -> T {
        read(kind, &first(view, &about(), choices).expect("all is known"))
    }

    #[test]
    fn attention_asks_for_scores_only_if_wanted() {
        let scores = |scores| {
            let question: attention_of::Question =
                read("attention", &attention(about().text, Bos::No, scores));
            assert_eq!((question.prompt, question.top_k), (text(), TOP_K));
            question.scores
        };
        assert_eq!(scores(None), attention_of::Heads::none());
        assert_eq!(scores(Some([1, 3])), attention_of::Heads::Listed(vec![[1, 3]]));
    }

    #[test]
    fn the_lens_follows_what_the_model_says_until_something_else_is_chosen() {
        let mut choices = Choices::default();
        let question: logit_lens::Question = asked("logit_lens", View::Lens, &choices);
        assert_eq!((question.prompt, question.halves), (text(), false));
        assert_eq!((question.pinned, question.scale), (vec![7, 7, 3], logit_lens::LensScale::Recomputed));
        (choices.pins, choices.is_frozen, choices.halves) = (vec![9], true, true);
        let question: logit_lens::Question = asked("logit_lens", View::Lens, &choices);
        assert_eq!((question.pinned, question.halves), (vec![9], true));
        assert_eq!(question.scale, logit_lens::LensScale::Frozen);
        assert_eq!(first(View::Lens, &About { leading: &[], ..about() }, &Choices::default()), None);
    }

    #[test]
    fn the_default_direction_is_from_the_second_guess_to_the_first() {
        let mut choices = Choices::default();
        let question: attribution::Question = asked("attribution", View::Attribution, &choices);
        assert_eq!((question.targets, question.distractors, question.pos), (vec![7], vec![3], -1));
        choices.targets = vec![1, 2];
        let question: attribution::Question = asked("attribution", View::Attribution, &choices);
        assert_eq!((question.targets, question.distractors), (vec![1, 2], vec![]));
        assert_eq!(first(View::Attribution, &About { leading: &[], ..about() }, &Choices::default()), None);
    }

    #[test]
    fn the_stream_is_read_where_the_user_looks() {
        let at = HookPoint::Block(1, Site::ResidMid);
        let choices = Choices { at: Some(at), direction: Some(4), ..Choices::default() };
        let about = About { pos: Some(2), ..about() };
        let question = first(View::Residual, &about, &choices).expect("all is known");
        let question: residual::Question = read("residual", &question);
        assert_eq!((question.at, question.token, question.pos), (Some(at), Some(4), 2));
    }

    #[test]
    fn a_test_is_of_the_direction_on_screen() {
        let test = Some(Component::Head([1, 3]));
        let mut choices = Choices { test, ..Choices::default() };
        let asked = |choices: &Choices| {
            Some(read::<effects::Question>("effects", &super::test(View::Attribution, &about(), choices)?))
        };
        let question = asked(&choices).expect("all is known");
        assert_eq!(question.components, [Component::Head([1, 3])]);
        assert_eq!(question.metric, Metric::LogitDiff { pos: -1, correct: 7, wrong: 3 });
        assert_eq!(question.ablation, effects::Ablation::Zero);
        choices.ablation = Ablation::Mean;
        let effects::Ablation::Mean(prompts) = asked(&choices).expect("is asked").ablation else {
            panic!("another")
        };
        assert_eq!(prompts.len(), EXAMPLES.len());
        choices.ablation = Ablation::Resample;
        assert_eq!(asked(&choices), None, "there is no second prompt");
        choices.other = "c".into();
        let other = Prompt::Text { text: "c".into(), bos: Bos::No };
        assert_eq!(asked(&choices).expect("is asked").ablation, effects::Ablation::Resample(other));
        choices.targets = vec![5];
        assert_eq!(asked(&choices).expect("is asked").metric, Metric::Logprob { pos: -1, token: 5 });
    }

    #[test]
    fn a_loss_is_compared_with_what_was_chosen() {
        let with = |against| Choices { against, other: "c".into(), ..Choices::default() };
        let loss_of = |against| asked::<loss::Question>("loss", View::Loss, &with(against));
        assert_eq!(loss_of(Against::Nothing).other, None);
        for (component, at, selected) in [
            (Component::Head([1, 3]), HookPoint::Block(1, Site::Z), Some(3)),
            (Component::Mlp(0), HookPoint::Block(0, Site::MlpOut), None),
            (Component::Neuron([0, 9]), HookPoint::Block(0, Site::MlpPost), Some(9)),
        ] {
            let other = loss_of(Against::Without(component)).other.expect("another side");
            assert_eq!((other[0].at, &other[0].edit), (at, &Edit::Zero));
            let index = [&other[0].select.head, &other[0].select.component].into_iter().flatten().next();
            assert_eq!(index, selected.map(Index::One).as_ref());
        }
        let beside = |against| other(View::Loss, &about(), &with(against));
        assert_eq!(beside(Against::Nothing), None);
        let second: loss::Question = read("loss", &beside(Against::Other).expect("a second prompt").question);
        assert_eq!(second.prompt, Prompt::Text { text: "c".into(), bos: Bos::No });
        let model = beside(Against::Model("tales-4l".into())).expect("a second model");
        assert_eq!(model.model.as_deref(), Some("tales-4l"));
        assert_eq!(read::<loss::Question>("loss", &model.question).prompt, text());
    }

    #[test]
    fn the_other_side_is_asked_the_same() {
        let beside = |view, against| {
            let choices = Choices { against, other: "c".into(), direction: Some(4), ..Choices::default() };
            other(view, &about(), &choices).map(|beside| beside.question)
        };
        let without = || Against::Without(Component::Head([1, 3]));
        let lens: logit_lens::Question =
            read("logit_lens", &beside(View::Lens, without()).expect("a change"));
        assert_eq!((lens.prompt, lens.pinned), (text(), vec![7, 7, 3]));
        assert_eq!(
            (lens.interventions[0].at, &lens.interventions[0].edit),
            (HookPoint::Block(1, Site::Z), &Edit::Zero)
        );
        let second: attribution::Question =
            read("attribution", &beside(View::Attribution, Against::Other).expect("a second prompt"));
        assert_eq!(second.prompt, Prompt::Text { text: "c".into(), bos: Bos::No });
        assert_eq!((second.targets, second.distractors), (vec![7], vec![3]));
        // Another model numbers its tokens in its own way.
        let model = || Against::Model("tales-4l".into());
        assert_eq!(beside(View::Attribution, model()), None);
        let lens: logit_lens::Question = read("logit_lens", &beside(View::Lens, model()).expect("a model"));
        assert_eq!(lens.pinned, [] as [u32; 0]);
        let stream: residual::Question = read("residual", &beside(View::Residual, model()).expect("a model"));
        assert_eq!(stream.token, None);
        assert_eq!(beside(View::Lens, Against::Nothing), None);
    }
}
