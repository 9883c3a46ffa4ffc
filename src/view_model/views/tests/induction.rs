//! The induction lab on small answers.

use super::*;
use crate::analysis::attention::{self, HeadMatrix};

fn training() -> Training {
    let stage = |(step, score): (u32, f32)| Stage {
        name: format!("step-{step:06}"),
        step,
        n_tokens: u64::from(step) * 4096,
        train_nats: if step == 0 { f32::NAN } else { 4.0 },
        validation_nats: 5.0,
        copies_nats: [9.0, 9.0 - 8.0 * score],
        induction: ([1, 1], score),
        previous_token: ([0, 1], score / 2.0),
    };
    Training { stages: [(0, 0.125), (950, 0.25), (2857, 0.75)].map(stage).into() }
}

fn out(heads: &[[usize; 2]]) -> Choices {
    Choices { lab: Lab { out: heads.to_vec(), ..Lab::default() }, ..Choices::default() }
}

fn standing(answer: &Answered) -> Standing<'_> {
    Standing { answer: Some(answer), ..Standing::default() }
}

/// The lab's parts as it is with a bench.
fn lab(choices: &Choices, answer: analysis::induction::Answer, bench: &Bench<'_>) -> Vec<String> {
    with_scene(View::Induction, choices, [Some(Answered::Induction(answer)), None], |scene| {
        let parts = html(&Scene { bench: bench.clone(), ..scene.clone() });
        assert_eq!(fault(&parts.concat()), None, "{parts:?}");
        assert!(!parts.concat().contains("NaN") && !parts.concat().contains("<b>\""), "{parts:?}");
        parts
    })
}

#[test]
fn the_circuit_says_how_its_heads_rank() {
    let html = lab(&Choices::default(), induction(false), &Bench::default()).concat();
    assert!(text(&html).contains("Multiplying the weights"), "{html}");
    let circuit = Answered::Induction(induction(false));
    let html = lab(
        &Choices::default(),
        induction(false),
        &Bench { circuit: standing(&circuit), ..Bench::default() },
    );
    let text = text(&html.concat());
    // L0H1 looks back most of layer 0, although L0H0 composes more and L1H0 looks back more.
    assert!(
        text.contains(
            "L1H1 reads L0H1 through its keys with 0.1155: rank 2 of 4 pairs of heads of layers 0 and 1, 2 of 2 of those into it. The most is \
             0.1186, of L0H0 → L1H1. Independent random matrices would be near 0.0625."
        ),
        "{text}"
    );
    assert!(text.contains("previous token 0.875") && text.contains("induction 0.750"), "{text}");
    assert!(!text.contains("through its values"), "what is not a number is left out: {text}");
}

#[test]
fn without_an_earlier_layer_there_is_no_circuit() {
    let mut answer = induction(false);
    answer.scores[0].values.data_mut()[0] = 1.0;
    let html = lab(&Choices::default(), answer, &Bench::default()).concat();
    assert!(text(&html).contains("there is no such circuit to draw"), "{html}");
}

#[test]
fn a_weak_circuit_is_called_so() {
    let mut answer = induction(false);
    answer.scores[0].values.data_mut()[3] = 0.3;
    let html = lab(&Choices::default(), answer, &Bench::default()).concat();
    assert!(text(&html).contains("No clear circuit here"), "{html}");
}

#[test]
fn what_is_taken_out_stands_beside_other_heads() {
    let mut random = induction(true);
    if let Some(ablated) = &mut random.ablated {
        ablated.second_copy_nats = 1.0;
    }
    let others = Answered::Induction(random);
    let bench = Bench { others: standing(&others), ..Bench::default() };
    let html = lab(&out(&[[1, 1]]), induction(true), &bench).concat();
    let said = text(&html);
    assert!(
        said.contains(
            "Without L1H1 the second copy costs 7.50 nats a token instead of 0.50: +7.00. Without L1H0, drawn at random \
             from the same layers: +0.50."
        ),
        "{said}"
    );
    assert!(html.contains("tag caused") && html.contains("data-do=\"out=\""), "{html}");
    assert!(said.contains("second, without L1H1") && said.contains("without L1H1"), "{said}");
    assert!(said.contains("difference0.00+7.00+7.00"), "{said}");
    // What was asked before is not called what is asked now.
    let stale = lab(&out(&[[0, 1]]), induction(true), &Bench { is_stale: true, ..bench }).concat();
    assert!(!stale.contains("induction-effect") && text(&stale).contains("Taking out L0H1…"), "{stale}");
}

#[test]
fn buttons_take_heads_out_and_put_them_back() {
    let html = lab(&Choices::default(), induction(false), &Bench::default()).concat();
    for action in ["out=1.1", "out=0.1", "out=1.1_0.1", "head=1.1&amp;view=head"] {
        assert!(html.contains(&format!("data-do=\"{action}\"")), "{action}: {html}");
    }
    let html = lab(&out(&[[1, 1], [0, 1]]), induction(true), &Bench::default()).concat();
    assert!(html.contains("data-do=\"out=1.1\"") && html.contains("data-do=\"out=0.1\""), "{html}");
    assert!(html.contains("data-set=\"fill\"") && html.contains("data-do=\"others=1\""), "{html}");
}

#[test]
fn checkpoints_are_stored_results_until_one_is_loaded() {
    let training = training();
    let bench = Bench { training: Some(&training), has_stages: true, ..Bench::default() };
    let at = |step| {
        let choices = Choices { lab: Lab { step, ..Lab::default() }, ..Choices::default() };
        lab(&choices, induction(false), &bench)
    };
    let (last, first) = (at(None), at(Some(3)));
    let html = first.concat();
    assert!(
        html.contains("stored result: training log") && html.contains("data-do=\"stage=load\""),
        "{html}"
    );
    assert!(text(&html).contains("Load the model of step 0 (2.2 MB)"), "{}", text(&html));
    assert!(html.contains("data-now=\"0\"") && last.concat().contains("data-now=\"2\""), "{html}");
    let slider = |parts: &[String]| parts.iter().find(|part| part.contains("data-range")).cloned();
    assert!(slider(&first).is_some_and(|slider| slider.contains("0 950 2857")), "{html}");
    assert_eq!(slider(&first), slider(&last), "it is not drawn anew under the pointer");
    assert_eq!(
        [None, Some(0), Some(900), Some(99_999)].map(|step| training.nth(step)),
        [2, 0, 1, 2],
        "the nearest"
    );
    let other = lab(&Choices::default(), induction(false), &Bench::default()).concat();
    assert!(text(&other).contains("came without checkpoints") && !other.contains("data-range"), "{other}");
}

#[test]
fn a_checkpoint_stands_beside_the_model_in_use() {
    let training = training();
    let mut early = induction(false);
    early.scores[0].values.data_mut()[3] = 0.5;
    early.losses.second_copy_nats = 3.0;
    let stage = Answered::Induction(early);
    let values =
        tensor(&[5, 5], &(0..25).map(|at| if at % 5 <= at / 5 { 0.2 } else { 0.0 }).collect::<Vec<_>>());
    let pattern = Answered::Pattern(attention::Answer {
        tokens: vec![],
        loss_nats: None,
        positions: vec![],
        heads: vec![],
        n_repeated: 0,
        patterns: vec![HeadMatrix { layer: 1, head: 1, values }],
        scores: vec![],
    });
    let bench = Bench {
        training: Some(&training),
        has_stages: true,
        is_wanted: true,
        stage: standing(&stage),
        pattern: standing(&pattern),
        of: ["step-000950", "step-000950"],
        ..Bench::default()
    };
    let choices = Choices { lab: Lab { step: Some(950), ..Lab::default() }, ..Choices::default() };
    let html = lab(&choices, induction(false), &bench).concat();
    let said = text(&html);
    assert!(said.contains("Step 950, computed here") && html.contains("data-step=\"950\""), "{said}");
    assert!(said.contains("second copy, nats3.007.000.50"), "{said}");
    assert!(said.contains("largest induction score0.500 L1H10.250 L1H10.750 L1H1"), "{said}");
    assert!(said.contains("Where L1H1 looks, at step 950"), "{said}");
    assert!(html.contains("0.200 of its attention goes to what followed"), "{html}");
    // Five rows, each one stroke of one ink.
    assert_eq!(html.matches("class=\"ink\"").count(), 1, "{html}");
    let stage = Standing { is_stale: true, ..bench.stage.clone() };
    let html = lab(&choices, induction(false), &Bench { stage, ..bench }).concat();
    assert!(html.contains("view-stage stale") && text(&html).contains("Loading step 950…"), "{html}");
}

#[test]
fn marks_of_the_lab_are_heads_places_and_checkpoints() {
    let training = training();
    let answer = || [Some(Answered::Induction(induction(true))), None];
    with_scene(View::Induction, &out(&[[1, 1]]), answer(), |scene| {
        let scene = Scene { bench: Bench { training: Some(&training), ..Bench::default() }, ..scene.clone() };
        assert_eq!(pick(&scene, "0.1"), [("head", "0.1".to_owned())]);
        assert_eq!(pick(&scene, "1000001.0"), [("step", "950".to_owned())]);
        for nothing in ["9.0", "0.9", "1000.0", "1000009.0", "x"] {
            assert_eq!(pick(&scene, nothing), [], "{nothing}");
        }
        let said = |at| text(&detail(&scene, at));
        assert!(
            said("0.1").starts_with("L0H1: induction 0.250; induction stripe 0.250; previous token 0.875")
        );
        assert!(said("").starts_with("L1H1: "), "{}", said(""));
        assert!(
            said("1001.0").contains("first copy 9.00, second copy 0.50 nats; without L1H1 9.00 and 7.50.")
        );
        assert!(said("1000.0").contains("first copy –, second copy 6.00"), "{}", said("1000.0"));
        assert!(said("1000001.0").starts_with("Stored, step 950 after"), "{}", said("1000001.0"));
        let table = table(&scene);
        assert!(table.contains("2\t·a\t2\t9\t0.5\t9\t7.5\n"), "{table}");
        assert!(
            table.contains("L1H1\t0.75\t0.5\t0\t\n") && table.contains("950\t3891200\t4\t5\t9\t7\t0.25"),
            "{table}"
        );
    });
}

#[test]
fn random_others_are_of_the_same_layers_and_not_out() {
    let answer = induction(false);
    for others in 0..8 {
        let lab = Lab { out: vec![[1, 1], [0, 0]], others, ..Lab::default() };
        assert_eq!(super::super::induction::others(&answer, &lab), [[1, 0], [0, 1]]);
    }
    let lab = Lab { out: vec![[1, 1], [1, 0]], ..Lab::default() };
    assert_eq!(super::super::induction::others(&answer, &lab), <[[usize; 2]; 0]>::default());
}
