//! A colour scale with its numbers and its unit.

use leptos::prelude::*;

use crate::view_model::legend::Legend;

/// The scale of a picture.
#[component]
pub fn ScaleLegend(
    /// What it says.
    legend: Legend,
) -> impl IntoView {
    let Legend { ticks, unit, is_diverging } = legend;
    let class = if is_diverging { "att-ramp diverging" } else { "att-ramp" };
    view! {
        <figure class="att-legend">
            <div class="att-scale">
                <div class=class aria-hidden="true"></div>
                <div class="att-ticks num">{ticks.into_iter().map(|tick| view! { <span>{tick}</span> }).collect_view()}</div>
            </div>
            <figcaption>{unit}</figcaption>
        </figure>
    }
}
