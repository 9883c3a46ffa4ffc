//! "Test it": what taking out a component does, beside what taking out random ones of its kind does.

use super::{
    Ablation, Answered, Choices, Scene, Standing,
    chart::px,
    parts::{self, Kind},
};
use crate::{
    analysis::effects::{Answer, Component, Effect},
    view_model::{markup::Markup, number},
};

const HEIGHT: f32 = 56.0;
const MARGIN: f32 = 12.0;

/// `L1H3`, `MLP 2`, `L2 neuron 611`
pub(super) fn name(component: Component) -> String {
    match component {
        Component::Head([layer, head]) => format!("L{layer}H{head}"),
        Component::Mlp(layer) => format!("MLP {layer}"),
        Component::Neuron([layer, neuron]) => format!("L{layer} neuron {neuron}"),
    }
}

fn kind(component: Component) -> &'static str {
    match component {
        Component::Head(_) => "heads",
        Component::Mlp(_) => "MLPs",
        Component::Neuron(_) => "neurons",
    }
}

/// What a test is of: the direction that attribution is about.
pub(super) fn metric_name(choices: &Choices) -> &'static str {
    let is_one_sided = !choices.targets.is_empty() && choices.distractors.is_empty();
    if is_one_sided { "log-probability" } else { "logit difference" }
}

/// The test's own place below the picture that it tests; `metric` is what it is a test of.
pub(super) fn draw(out: &mut Markup, scene: &Scene<'_>, metric: &str) {
    out.open(
        "section",
        &[("class", "view-section view-test"), ("aria-label", "Test it"), ("data-testid", "effect")],
    );
    out.raw("<header class=\"panel-head\"><h3>Does it matter?</h3>");
    parts::tag(out, Kind::Caused);
    out.raw("</header>");
    let Some(component) = scene.choices.test else {
        out.raw("<p class=\"note\">“Test it” beside a head, an MLP or a neuron takes it out of the model and says what becomes of the ");
        out.text(metric).raw(", beside random others of its kind.</p></section>");
        return;
    };
    controls(out, scene);
    let answer = match scene.test {
        Standing { failure: Some(failure), .. } => {
            parts::failure(out, failure);
            None
        }
        _ if scene.choices.ablation == Ablation::Resample && scene.choices.other.trim().is_empty() => {
            out.raw("<p class=\"note\">Resampling takes what the component is on a second prompt of as many tokens: write one above.</p>");
            None
        }
        Standing { answer: Some(Answered::Effects(answer)), .. } => Some(answer),
        Standing { is_running: true, .. } => {
            let text = ["Taking out ", &name(component), "…"].concat();
            out.element("p", &[("class", "note"), ("role", "status")], &text);
            None
        }
        _ => None,
    };
    let Some(answer) = answer else {
        out.raw("</section>");
        return;
    };
    let all: Vec<&Effect> = answer.effects.iter().chain(&answer.random).collect();
    let n_done = all.iter().filter(|effect| effect.change.is_some()).count();
    if n_done < all.len() {
        let text = format!("{n_done} of {} done", all.len());
        out.element("p", &[("class", "note"), ("role", "status")], &text);
    }
    // What was tested before stays until the next result is there.
    out.element("p", &[("class", if scene.test.is_stale { "stale" } else { "" })], &said(answer, metric));
    strip(out, scene, answer);
    out.raw("</section>");
}

fn controls(out: &mut Markup, scene: &Scene<'_>) {
    out.raw("<div class=\"view-bar\">");
    let names = Ablation::ALL.map(|ablation| (ablation.key(), ablation_name(ablation)));
    parts::select(out, "In its place", "ablation", &names, scene.choices.ablation.key());
    parts::button(out, "Close the test", "test=", "Takes nothing out");
    out.raw("</div>");
    if scene.choices.ablation == Ablation::Resample {
        parts::other(out, scene.choices);
    }
}

fn ablation_name(ablation: Ablation) -> &'static str {
    match ablation {
        Ablation::Zero => "zero",
        Ablation::Mean => "its mean over the page’s example texts",
        Ablation::Resample => "what it is on a second prompt",
    }
}

/// The result as a sentence.
fn said(answer: &Answer, metric: &str) -> String {
    let Some((effect, change)) = answer.effects.first().and_then(|effect| Some((effect, effect.change?)))
    else {
        return String::new();
    };
    let (base, nats) = (answer.base, |value: f64| number::signed(value));
    let mut text = format!(
        "Without {} the {metric} goes from {} to {}: {}.",
        name(effect.component),
        number::nats(base as f32),
        number::nats((base + change) as f32),
        nats(change),
    );
    let sizes: Vec<f64> = answer.random.iter().filter_map(|effect| effect.change).map(f64::abs).collect();
    let order = parts::largest(&sizes, sizes.len());
    if let Some(median) = order.get(sizes.len() / 2).map(|at| &sizes[*at]) {
        let n_more = sizes.iter().filter(|size| change.abs() <= **size).count();
        text += &format!(
            " As large a change or a larger one: {n_more} of {} random {}, whose median size is {}.",
            sizes.len(),
            kind(effect.component),
            number::nats(*median as f32),
        );
    }
    if 0 < answer.n_reference {
        text += &format!(" Means are over {} positions.", answer.n_reference);
    }
    text
}

/// All changes on one axis: random ones as dots, the tested one as a mark.
fn strip(out: &mut Markup, scene: &Scene<'_>, answer: &Answer) {
    let changes = || answer.effects.iter().chain(&answer.random).filter_map(|effect| effect.change);
    let (low, high) =
        changes().fold((0.0_f64, 0.0_f64), |(low, high), change| (low.min(change), high.max(change)));
    if !(low < high) {
        return;
    }
    let width = scene.width_px.clamp(240.0, 640.0);
    let x = |value: f64| MARGIN + ((value - low) / (high - low)) as f32 * (width - 2.0 * MARGIN);
    let (width_text, height_text) = (px(width), px(HEIGHT));
    let label = "The change by each component that was taken out; the sentence above says the numbers.";
    out.open(
        "svg",
        &[
            ("class", "view-chart"),
            ("width", &width_text),
            ("height", &height_text),
            ("role", "img"),
            ("aria-label", label),
        ],
    );
    let zero = ["M", &px(x(0.0)), " 6V34"].concat();
    out.open("path", &[("class", "grid-line"), ("d", &zero)]).close("path");
    let dot = |out: &mut Markup, effect: &Effect, class: &str, radius: &str| {
        let Some(change) = effect.change else { return };
        let text = [name(effect.component).as_str(), ": ", &number::signed(change)].concat();
        out.open("circle", &[("class", class), ("cx", &px(x(change))), ("cy", "20"), ("r", radius)]);
        out.element("title", &[], &text).close("circle");
    };
    answer.random.iter().for_each(|effect| dot(out, effect, "dot random", "4"));
    answer.effects.iter().for_each(|effect| dot(out, effect, "dot tested", "6"));
    let end = px(width - MARGIN);
    out.element("text", &[("class", "tick"), ("x", "12"), ("y", "50")], &number::signed(low));
    out.element("text", &[("class", "tick y"), ("x", &end), ("y", "50")], &number::signed(high));
    out.raw("</svg><p class=\"legend\"><span class=\"dot-key tested\" aria-hidden=\"true\"></span><span>tested</span>");
    out.raw("<span class=\"dot-key random\" aria-hidden=\"true\"></span><span>random others of its kind; change of the metric, the line is no change</span></p>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(changes: &[f64]) -> Answer {
        let effect = |head, change| Effect { component: Component::Head([0, head]), change: Some(change) };
        Answer {
            tokens: vec![],
            base: 2.0,
            effects: vec![Effect { component: Component::Head([1, 3]), change: Some(-1.5) }],
            random: changes.iter().enumerate().map(|(head, change)| effect(head, *change)).collect(),
            n_reference: 0,
        }
    }

    #[test]
    fn a_change_is_told_beside_its_baseline() {
        assert_eq!(
            said(&answer(&[0.1, -1.6, 0.3]), "logit difference"),
            "Without L1H3 the logit difference goes from 2.00 to 0.50: −1.50. As large a change or a larger one: 1 of 3 \
             random heads, whose median size is 0.30."
        );
        assert_eq!(said(&answer(&[]), "logit"), "Without L1H3 the logit goes from 2.00 to 0.50: −1.50.");
    }
}
