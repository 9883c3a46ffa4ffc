//! The head finder and the head page.

use super::*;

fn finder(choices: &Choices) -> String {
    drawn(View::Heads, choices, [Some(Answered::Heads(heads())), None])
}

fn page(choices: &Choices) -> String {
    drawn(View::Head, choices, [Some(Answered::Head(Box::new(head()))), None])
}

#[test]
fn the_last_layer_is_on_top_and_pressing_on_a_head_opens_its_page() {
    let html = finder(&Choices::default());
    assert!(html.contains("data-at=\"0.1\" style=\"--v:0.88\">0.88"), "layer 1 head 1: {html}");
    assert!(html.contains("data-at=\"1.0\" style=\"--v:0.12\">0.12"), "layer 0 head 0: {html}");
    let picked = |at| {
        with_scene(View::Heads, &Choices::default(), [Some(Answered::Heads(heads())), None], |scene| {
            pick(scene, at)
        })
    };
    assert_eq!(picked("0.1"), [("head", "1.1".to_owned()), ("view", "head".to_owned())]);
    assert_eq!(picked("1.0"), [("head", "0.0".to_owned()), ("view", "head".to_owned())]);
    for nothing in ["2.0", "0.2", "x", ""] {
        assert_eq!(picked(nothing), [], "{nothing}");
    }
}

#[test]
fn a_metric_says_what_it_is_and_has_its_own_scale() {
    let with = |metric| text(&finder(&Choices { metric, ..Choices::default() }));
    let said = with(Metric::Induction);
    assert!(said.contains("What  &lt;b&gt;&quot;&amp; is."), "{said}");
    assert!(
        said.contains("Unit: mean attention probability. Each value is made of 3 query positions."),
        "{said}"
    );
    let of = |metric| finder(&Choices { metric, ..Choices::default() });
    assert!(of(Metric::Entropy).contains("--v:1.00\">4.00"), "up to the largest");
    let copying = of(Metric::Copying);
    assert!(copying.contains("style=\"--v:0.50\" class=\"neg\">−0.50"), "{copying}");
    assert!(copying.contains("data-at=\"0.0\">–") && copying.contains("div-ramp"), "{copying}");
    assert!(with(Metric::DuplicateToken).contains("no token of this prompt comes again"));
    assert!(of(Metric::InductionStripe).contains("data-do=\"on=random\""));
}

#[test]
fn heads_come_in_the_chosen_order() {
    let listed = |choices: &Choices| {
        let html = finder(choices);
        let list = html.split("data-testid=\"top-heads\"").nth(1).expect("a list").to_owned();
        list.split("&amp;view=head\" data-key")
            .skip(1)
            .map(|rest| {
                let name = rest.split('>').nth(1).expect("a name");
                name.split('<').next().expect("its end").to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&Choices::default()), ["L1H1", "L1H0", "L0H0", "L0H1"]);
    let choices = Choices { is_smallest: true, metric: Metric::Copying, ..Choices::default() };
    assert_eq!(listed(&choices), ["L0H0", "L1H1", "L0H1"], "what is not measured is not listed");
}

#[test]
fn the_finder_says_all_of_the_head_in_view() {
    let html = said(View::Heads, Answered::Heads(heads()), "1.1");
    let all = text(&html);
    assert!(all.starts_with("L0H1") && all.contains("induction0.000"), "{all}");
    assert!(all.contains("entropy2.00 nats") && all.contains("duplicate token–"), "{all}");
    assert!(html.contains("data-do=\"head=0.1&amp;view=head\"") && html.contains("data-do=\"test=h0.1\""));
    assert!(text(&said(View::Heads, Answered::Heads(heads()), "")).starts_with("L1H1"), "the locked one");
    let table = with_scene(View::Heads, &Choices::default(), [Some(Answered::Heads(heads())), None], table);
    assert!(table.starts_with("layer\thead\tinduction\tprevious_token\t"), "{table}");
    assert!(table.contains("\n1\t0\t0.25\t0.25\t\t4\t\n"), "{table}");
}

#[test]
fn a_pattern_is_drawn_up_to_the_diagonal_and_weighted_as_chosen() {
    let html = page(&Choices::default());
    assert!(html.contains("data-at=\"1.0\" aria-label=\"0.750\" style=\"--v:0.75\""), "{html}");
    assert!(!html.contains("data-at=\"0.1\" aria-label"), "{html}");
    assert_eq!(html.matches("role=\"gridcell\" tabindex=\"0\"").count(), 1);
    let html = page(&Choices { weigh: Weigh::Output, ..Choices::default() });
    assert!(html.contains("data-at=\"1.0\" aria-label=\"6.000\" style=\"--v:0.75\""), "of 8: {html}");
    let picked = with_scene(
        View::Head,
        &Choices::default(),
        [Some(Answered::Head(Box::new(head()))), None],
        |scene| (pick(scene, "1.1"), pick(scene, "0.1"), pick(scene, "9.0")),
    );
    assert_eq!(picked, (vec![("pos", "1".to_owned()), ("key", "1".to_owned())], vec![], vec![]));
    let all = text(&said(View::Head, Answered::Head(Box::new(head())), "1.1"));
    assert!(all.contains("attention 0.250; |v| 4.00, weighted 1.00; |v W_O| 2.00, weighted 0.50."), "{all}");
}

#[test]
fn a_score_is_taken_apart_down_to_its_dimensions() {
    let all = text(&page(&Choices::default()));
    for said in [
        "q·k = 2.75",
        "2.75 / 2.00 = 1.38",
        "key 0 ≤ query 1: it is seen, score 1.38",
        "exp(1.38 − 1.66) = 0.750, 1.66 = ln Σ exp(scores)",
        "dimension 0+3.00",
        "q·k+2.75",
        "Of them 0.0625 reaches the logits after position 1",
    ] {
        assert!(all.contains(said), "{said}: {all}");
    }
    let mut masked = head();
    masked.pair.score = None;
    masked.pair.probability = 0.0;
    masked.pair.soft_cap = Some(50.0);
    masked.share = None;
    let html = drawn(View::Head, &Choices::default(), [Some(Answered::Head(Box::new(masked))), None]);
    let all = text(&html);
    assert!(all.contains("does not see key 0: score −∞") && all.contains("exp(−∞) = 0.000"), "{all}");
    assert!(all.contains("50.00 tanh(1.38 / 50.00)"), "{all}");
}

#[test]
fn the_parts_of_a_long_product_sum() {
    let mut long = head();
    long.pair.products = (0..64).map(|nth| if nth % 2 == 0 { 0.5 } else { -0.25 }).collect();
    long.pair.dot = 8.0;
    let html = drawn(View::Head, &Choices::default(), [Some(Answered::Head(Box::new(long))), None]);
    let all = text(&html);
    // 12 of the 32 larger ones are listed: 8 = 12 * 0.5 + 2.
    assert!(all.contains("52 others+2.00") && all.contains("q·k+8.00"), "{all}");
}

#[test]
fn a_long_prompt_is_drawn_in_blocks() {
    let n = 150;
    let mut long = head();
    let mut pattern = vec![0.0; n * n];
    (0..n).for_each(|q| pattern[q * n + q / 2] = 1.0);
    long.tokens = (0..n).map(|id| token(id as u32, " x")).collect();
    for values in [&mut long.pattern, &mut long.value_weighted, &mut long.output_weighted] {
        *values = tensor(&[n, n], &pattern);
    }
    long.norms = tensor(&[2, n], &vec![1.0; 2 * n]);
    long.spread.by_distance = vec![1.0 / n as f32; n];
    (long.pair.query, long.pair.key) = (149, 74);
    let answers = [Some(Answered::Head(Box::new(long))), None];
    let html = drawn(View::Head, &Choices::default(), answers.clone());
    // 50 rows of 3 positions.
    assert_eq!(html.matches("role=\"gridcell\"").count(), 50 * 51 / 2);
    assert!(html.contains("role=\"gridcell\" tabindex=\"0\" data-at=\"49.24\" aria-label=\"1.000\""));
    let picked = with_scene(View::Head, &Choices::default(), answers, |scene| pick(scene, "20.10"));
    assert_eq!(picked, [("pos", "60".to_owned()), ("key", "30".to_owned())], "the first of the largest");
}

#[test]
fn without_a_head_some_are_offered() {
    with_scene(View::Head, &Choices::default(), [Some(Answered::Heads(heads())), None], |scene| {
        let html = html(&Scene { head: None, ..scene.clone() }).concat();
        assert_eq!(fault(&html), None, "{html}");
        assert!(html.contains("data-do=\"head=1.1\""), "{html}");
        assert!(text(&html).contains("L1H1: induction 0.875"), "{html}");
        assert!(!html.contains("view-ghost") && html.contains("data-do=\"view=heads\""), "{html}");
    });
}

#[test]
fn a_head_is_tested_in_place() {
    for (view, answer) in
        [(View::Heads, Answered::Heads(heads())), (View::Head, Answered::Head(Box::new(head())))]
    {
        let choices = Choices { test: Some(Component::Head([0, 1])), ..Choices::default() };
        let html = drawn(view, &choices, [Some(answer), Some(Answered::Effects(effects()))]);
        assert!(text(&html).contains("Without L0H1 the logit difference goes from 2.25 to 1.00"), "{view:?}");
        assert!(html.contains("tag caused") && html.contains("data-do=\"test=h1.1\""), "{view:?}");
    }
}
