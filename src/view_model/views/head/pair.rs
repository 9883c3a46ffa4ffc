//! One query and one key: where the query looks, and from q·k to a probability, step by step.

use super::super::{
    bars::{self, Row},
    parts, place,
};
use crate::{
    analysis::head::{Answer, Pair},
    view_model::{markup::Markup, number},
};

/// Keys that are listed; the others are added up.
const N_KEYS: usize = 8;
/// Entries of the product that are listed; the others are added up.
const N_PRODUCTS: usize = 12;

/// The keys that the query looks at most.
pub(super) fn looks(out: &mut Markup, answer: &Answer) {
    let Pair { query, key, .. } = answer.pair;
    let n = answer.tokens.len();
    let row = answer.pattern.data().get(query * n..query * n + query + 1).unwrap_or_default();
    let values: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
    let listed = parts::largest(&values, N_KEYS);
    let row_of = |at: &usize| {
        let (mut label, name) = (Markup::new(), place(*at, &answer.tokens));
        label.element("span", &[("class", "token")], &name);
        let mut row = Row::new(label, values[*at], number::prob(values[*at] as f32));
        if *at == key {
            row.note.text("taken apart below");
        } else {
            row.button = Some((parts::assignment("key", &at.to_string()), "Take apart"));
        }
        row.spoken = name;
        row
    };
    let mut rows: Vec<Row> = listed.iter().map(row_of).collect();
    let others: Vec<f64> = (0..values.len()).filter(|at| !listed.contains(at)).map(|at| values[at]).collect();
    rows.extend(others_row(&others, |sum| number::prob(sum as f32)));
    out.raw("<section class=\"view-section\" data-testid=\"looks\">");
    out.element("h3", &[], &["From ", &place(query, &answer.tokens), " it looks at"].concat());
    out.raw("<p class=\"note\">Its attention to all keys sums to 1. Press on a token of the prompt to look from there.</p>");
    bars::draw(out, "Keys by attention", "attention probability", &rows);
    out.raw("</section>");
}

/// What is not listed, as one row.
fn others_row(others: &[f64], text: impl Fn(f64) -> String) -> Option<Row> {
    let sum: f64 = others.iter().sum();
    let mut name = Markup::new();
    name.text(&[&others.len().to_string(), " others"].concat());
    (!others.is_empty()).then(|| Row::new(name, sum, text(sum)))
}

/// The score of the pair, step by step, and which entries of q and k make it.
pub(super) fn draw(out: &mut Markup, answer: &Answer) {
    let pair = &answer.pair;
    let [query, key] = [pair.query, pair.key].map(|pos| place(pos, &answer.tokens));
    out.raw("<section class=\"view-section\" data-testid=\"pair\">");
    out.element("h3", &[], &["Why ", &query, " looks at ", &key].concat());
    out.raw("<ol class=\"view-steps\">");
    for (name, formula) in steps(pair) {
        out.raw("<li>")
            .element("span", &[], name)
            .element("code", &[("class", "num")], &formula)
            .raw("</li>");
    }
    out.raw("</ol>");
    parts::button(
        out,
        "The key it looks at most",
        "key=",
        "Takes apart the key with the largest probability",
    );
    let products: Vec<f64> = pair.products.iter().map(|product| f64::from(*product)).collect();
    let sizes: Vec<f64> = products.iter().map(|product| product.abs()).collect();
    let listed = parts::largest(&sizes, N_PRODUCTS);
    let row_of = |at: &usize| {
        let mut name = Markup::new();
        name.text(&["dimension ", &at.to_string()].concat());
        Row::new(name, products[*at], number::signed(products[*at]))
    };
    let mut rows: Vec<Row> = listed.iter().map(row_of).collect();
    let others: Vec<f64> =
        (0..products.len()).filter(|at| !listed.contains(at)).map(|at| products[at]).collect();
    rows.extend(others_row(&others, number::signed));
    let (mut name, sum) = (Markup::new(), products.iter().sum::<f64>());
    name.text("q·k");
    let mut row = Row::new(name, sum, number::signed(sum));
    row.is_sum = true;
    rows.push(row);
    out.element("h4", &[], "q·k, dimension by dimension");
    bars::draw(out, "Products of query and key by dimension; the last row is their sum", "qᵢ kᵢ", &rows);
    out.raw("</section>");
}

/// The steps from a product to a probability, each with its numbers.
fn steps(pair: &Pair) -> Vec<(&'static str, String)> {
    let nats = number::nats;
    let scaled = pair.dot / pair.scale;
    let mut steps = vec![
        ("query times key", ["q·k = ", &nats(pair.dot)].concat()),
        ("scale", [nats(pair.dot).as_str(), " / ", &nats(pair.scale), " = ", &nats(scaled)].concat()),
    ];
    if let Some(cap) = pair.soft_cap {
        // What the model made of it is the score itself.
        let (cap_text, capped) = (nats(cap), pair.score.map_or_else(|| "…".to_owned(), nats));
        steps.push((
            "soft cap",
            [cap_text.as_str(), " tanh(", &nats(scaled), " / ", &cap_text, ") = ", &capped].concat(),
        ));
    }
    let order = [pair.key.to_string(), pair.query.to_string()];
    match pair.score {
        Some(score) => {
            let sum = nats(pair.log_sum_exp);
            steps.push((
                "mask",
                ["key ", &order[0], " ≤ query ", &order[1], ": it is seen, score ", &nats(score)].concat(),
            ));
            let text = [
                "exp(",
                &nats(score),
                " − ",
                &sum,
                ") = ",
                &number::prob(pair.probability),
                ", ",
                &sum,
                " = ln Σ exp(scores)",
            ];
            steps.push(("softmax", text.concat()));
        }
        None => {
            let text = ["query ", &order[1], " does not see key ", &order[0], ": score −∞"];
            steps.push(("mask", text.concat()));
            steps.push(("softmax", ["exp(−∞) = ", &number::prob(pair.probability)].concat()));
        }
    }
    steps
}
