//! What a head writes for a key: the tokens that it makes likelier and less likely.

use super::super::{
    Choices,
    bars::{self, Row},
    parts, place,
};
use crate::{
    analysis::{
        head::{Answer, Reads},
        residual::Push,
    },
    view_model::{markup::Markup, number},
};

pub(super) fn draw(out: &mut Markup, choices: &Choices, answer: &Answer) {
    let key = place(answer.pair.key, &answer.tokens);
    out.raw("<section class=\"view-section\" data-testid=\"writes\">");
    out.element("h3", &[], &["What it writes for ", &key].concat());
    out.raw("<div class=\"view-bar\">");
    let chosen = if choices.is_embedding { "embedding" } else { "stream" };
    let options = [("stream", "the stream there, in this run"), ("embedding", "the token’s embedding alone")];
    parts::select(out, "It reads", "reads", &options, chosen);
    out.raw("</div>").element("p", &[("class", "note")], &about(answer));
    out.raw("<div class=\"view-two\">");
    pushes(out, "It promotes", &answer.promoted);
    pushes(out, "It suppresses", &answer.suppressed);
    out.raw("</div></section>");
}

fn about(answer: &Answer) -> String {
    let unit = "Logits where the final norm divides by 1";
    match (answer.reads, answer.share) {
        (Reads::Embedding, _) => [
            unit,
            ": W_E W_V W_O W_U of this token, by processed weights and without a norm. It is the same on every prompt.",
        ]
        .concat(),
        (Reads::Stream, Some(share)) => {
            let share = format!("{share:.4}");
            let query = answer.pair.query.to_string();
            [
                unit,
                ": v W_O W_U. Of them ",
                &share,
                " reaches the logits after position ",
                &query,
                " directly: the attention over the final norm’s scale there.",
            ]
            .concat()
        }
        (Reads::Stream, None) => [unit, ": v W_O W_U, before the norm after attention."].concat(),
    }
}

fn pushes(out: &mut Markup, title: &str, pushes: &[Push]) {
    let row_of = |push: &Push| {
        let (mut name, logit) = (Markup::new(), f64::from(push.logit));
        parts::token(&mut name, &push.token);
        Row::new(name, logit, number::signed(logit))
    };
    let rows: Vec<Row> = pushes.iter().map(row_of).collect();
    out.raw("<div>").element("h4", &[], title);
    bars::draw(out, title, "logits", &rows);
    out.raw("</div>");
}
