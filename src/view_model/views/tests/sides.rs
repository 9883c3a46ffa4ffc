//! Left | Diff | Right in every view that compares.

use super::*;

fn without() -> Choices {
    Choices { against: Against::Without(Component::Head([0, 1])), ..Choices::default() }
}

/// What stands in the section with this test id.
fn section<'a>(html: &'a str, id: &str) -> &'a str {
    let (_, rest) =
        html.split_once(&format!("data-testid=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {html}"));
    rest.split("</section>").next().expect("a first piece")
}

#[test]
fn a_lens_stands_beside_another_and_their_difference() {
    let mut right = lens();
    right.kl_nats = tensor(&[2, 2], &[3.5, 1.0, 0.0, f32::NAN]);
    let choices = Choices { shade: Shade::Kl, ..without() };
    let answers = [Some(Answered::Lens(lens())), Some(Answered::Lens(right))];
    let html = drawn(View::Lens, &choices, answers);
    assert!(section(&html, "left").contains(">2.00</b>"), "{html}");
    assert!(
        section(&html, "right").contains("Right: without L0H1")
            && section(&html, "right").contains(">3.50</b>")
    );
    let diff = section(&html, "diff");
    assert!(
        diff.contains("--v:1.00\">+1.50</b>") && diff.contains(">0.00</b>") && diff.contains(">…</b>"),
        "{diff}"
    );
    assert!(html.contains("tag caused"), "a change is a cause");
}

#[test]
fn other_tokens_have_no_difference() {
    let mut right = lens();
    right.positions = vec![0];
    let choices = Choices { against: Against::Other, other: "c".into(), ..Choices::default() };
    let html = drawn(View::Lens, &choices, [Some(Answered::Lens(lens())), Some(Answered::Lens(right))]);
    assert!(!html.contains("data-testid=\"diff\"") && html.contains("do not have the same tokens"), "{html}");
    assert!(!html.contains("tag caused"), "nothing was changed");
}

#[test]
fn parts_are_sorted_by_what_the_user_chose() {
    let mut right = attribution();
    right.parts[1].value = 4.0; // L0H0 from 1.5
    right.parts.push(Part { writer: Writer::Interventions, value: -0.25 });
    let first = |choices: &Choices| {
        let answers =
            [Some(Answered::Attribution(attribution())), Some(Answered::Attribution(right.clone()))];
        let html = drawn(View::Attribution, choices, answers);
        assert!(html.contains("the logit difference is +2.25, 0.00 from the left’s."), "{html}");
        let table = section(&html, "sides");
        text(&format!("<p>{}", table.split("<tbody>").nth(1).expect("a body")))
    };
    assert!(
        first(&without()).starts_with("L0H0+1.50+2.50+4.00interventions0.00−0.25−0.25"),
        "{}",
        first(&without())
    );
    let by_left = Choices { sorted: Sorted::Left, ..without() };
    assert!(first(&by_left).starts_with("MLP 0+1.75"), "{}", first(&by_left));
}

#[test]
fn streams_and_their_writers_are_compared() {
    let mut right = residual();
    right.norms = tensor(&[2, 2], &[100.0, 2.0, 200.0, 5.0]);
    right.writers[1].projection = 1.0;
    let answers = || [Some(Answered::Residual(residual())), Some(Answered::Residual(right.clone()))];
    let html = drawn(View::Residual, &without(), answers());
    assert!(section(&html, "diff").contains(">+1.00</b>"), "{html}");
    assert!(section(&html, "sides").contains(">−2.00</td>"), "{html}");
    let copied = with_scene(View::Residual, &without(), answers(), table);
    assert!(copied.contains("\nwithout L0H1\n"), "{copied}");
}

#[test]
fn an_answer_that_is_not_there_is_waited_for() {
    let html = drawn(View::Lens, &without(), [Some(Answered::Lens(lens())), None]);
    assert!(!html.contains("data-testid=\"left\"") && html.contains("data-grid"), "{html}");
}
