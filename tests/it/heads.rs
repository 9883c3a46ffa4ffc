//! Laws of what is said about heads, and the circuit that the embedded model is known to have.

use vitrine::{
    analysis::{
        Answer, Question,
        head::{self, Reads},
        heads::{self, Metric, Reading, Scores},
        induction::{self, Replacement},
        repeated::Repeated,
    },
    backend::cpu::Cpu,
    engine::{Engine, NoPace},
    model::folder::WEIGHTS,
    prompt::{Bos, Prompt},
    run::{Input, WeightForm},
};

use crate::support::{self, FAMILIES, GPT2, TALES, bytes, engine};

fn ask(engine: &Engine<Cpu>, question: &Question) -> Answer {
    let answer = pollster::block_on(engine.ask(question, &mut NoPace, |_| {}));
    answer.unwrap_or_else(|error| panic!("{question:?}: {error}"))
}

fn induction(engine: &Engine<Cpu>, question: induction::Question) -> induction::Answer {
    let Answer::Induction(answer) = ask(engine, &Question::Induction(question)) else {
        panic!("another kind")
    };
    answer
}

fn head(engine: &Engine<Cpu>, question: &str) -> head::Answer {
    let question = serde_json::from_str(question).unwrap_or_else(|error| panic!("{question}: {error}"));
    let Answer::Head(answer) = ask(engine, &question) else { panic!("another kind") };
    *answer
}

fn of(scores: &[Scores], metric: Metric) -> &Scores {
    scores.iter().find(|scores| scores.metric == metric).expect("is measured")
}

#[test]
fn tokens_are_those_that_torch_draws() {
    let reference: serde_json::Value =
        serde_json::from_slice(&bytes("assets/reference/gpt2-small.json")).expect("JSON");
    let mut config = engine::<f32>(GPT2).config().clone();
    (config.d_vocab, config.n_ctx) = (50_257, 1_024);
    let repeated = Repeated { length: Some(100), batch: 2, bos: Bos::No, ..Repeated::default() };
    let drawn = repeated.draw(&config).expect("fits");
    for (nth, tokens) in drawn.tokens.iter().enumerate() {
        let published = &reference["passages"][format!("repeated-random-100-{nth}")]["ids"];
        assert_eq!(serde_json::json!(tokens), *published);
    }
    let other = Repeated { seed: 1, ..repeated }.draw(&config).expect("fits");
    assert_ne!(other, drawn);
}

#[test]
fn a_bos_comes_once() {
    let engine = engine::<f32>(TALES);
    let drawn = Repeated::default().draw(engine.config()).expect("fits");
    assert_eq!((drawn.tokens.len(), drawn.length, drawn.n_before()), (4, 50, 1));
    for tokens in &drawn.tokens {
        assert_eq!((tokens.len(), tokens[0]), (101, 0));
        assert_eq!(tokens[1..51], tokens[51..]);
        assert!(tokens[1..].iter().all(|id| (100..2_048).contains(id)));
    }
}

#[test]
fn the_embedded_model_has_the_circuit_that_its_card_says() {
    let engine = engine::<f32>(TALES);
    let repeated = Repeated { batch: 8, ids: Some([1, 2_048]), ..Repeated::default() };
    let answer = induction(&engine, induction::Question { repeated: repeated.clone(), ..Default::default() });
    // The card: L1H2 0.841, L0H6 0.961 and a second copy of 0.030 nats, on other random tokens.
    let (induction_head, previous) = ([1, 2], [0, 6]);
    let induced = of(&answer.scores, Metric::Induction);
    assert_eq!(induced.top, [induction_head]);
    assert!((induced.values.row(1)[2] - 0.841).abs() <= 0.05, "{:?}", induced.values);
    assert_eq!(of(&answer.scores, Metric::PreviousToken).top, [previous]);
    assert!(answer.losses.second_copy_nats <= 0.1, "{:?}", answer.losses);
    assert!(answer.losses.in_context_nats <= -10.0, "{:?}", answer.losses);
    // The induction head's keys read what the previous-token head writes: by weights alone it is one of two heads of
    // layer 0 that stand out.
    let keys = answer.compositions.iter().find(|of| of.input == Input::K).expect("is computed");
    let into_induction: Vec<f32> = (0..8).map(|from| keys.values.row(from)[2]).collect();
    let n_above = into_induction.iter().filter(|score| into_induction[6] < **score).count();
    assert!(n_above <= 1 && into_induction[6] > 1.5 * keys.baseline, "{into_induction:?}");

    // Without either, the second copy is far harder; without another head of the same layer it is not.
    let second = |head: [usize; 2], by| {
        let (repeated, ablate) = (repeated.clone(), vec![head]);
        let answer = induction(&engine, induction::Question { repeated, ablate, by, ..Default::default() });
        answer.ablated.expect("a head was ablated").second_copy_nats
    };
    for by in [Replacement::Zero, Replacement::Mean] {
        assert!(second(previous, by) > 1.0, "{}", second(previous, by));
        assert!(second(induction_head, by) > second([1, 0], by), "{}", second(induction_head, by));
    }
}

#[test]
fn induction_grows_while_the_embedded_model_is_trained() {
    let metrics = bytes("assets/models/tales-attn-2l/checkpoints/metrics.json");
    let metrics: Vec<serde_json::Value> = serde_json::from_slice(&metrics).expect("JSON");
    let mut before = 0.0;
    for (nth, file) in [(0, "step-000000"), (6, "step-001025"), (11, "step-002857")] {
        let mut files = support::files(TALES);
        files.insert(WEIGHTS.into(), bytes(&format!("{TALES}/checkpoints/{file}.safetensors")));
        let (checkpoint, tokenizer) = support::read(&Cpu::<f32>::default(), &files).expect("is a model");
        let engine = Engine::new(Cpu::default(), checkpoint, tokenizer);
        let repeated = Repeated { batch: 8, ids: Some([1, 2_048]), ..Repeated::default() };
        let answer = induction(&engine, induction::Question { repeated, ..Default::default() });
        let scores = of(&answer.scores, Metric::Induction);
        let [layer, head] = scores.top[0];
        let (got, card) = (scores.values.row(layer)[head], &metrics[nth]["induction"][layer][head]);
        assert!((f64::from(got) - card.as_f64().expect("a number")).abs() <= 0.05, "{file}: {got} {card}");
        assert!(got > before, "{file}: {got}");
        before = got;
    }
}

#[test]
fn scores_say_what_they_are_made_of() {
    let engine = engine::<f32>(GPT2);
    let heads = |tokens: &[u32]| {
        let on = Reading::Prompt(Prompt::Tokens { tokens: tokens.to_vec() });
        let question =
            heads::Question { on, metrics: None, weights: WeightForm::Raw, interventions: vec![], n_top: 2 };
        let Answer::Heads(answer) = ask(&engine, &Question::Heads(question)) else { panic!("another kind") };
        answer
    };
    let answer = heads(&[11, 4, 90, 23, 4, 57]);
    assert_eq!(of(&answer.scores, Metric::Induction).n, 1);
    assert_eq!(of(&answer.scores, Metric::PreviousToken).n, 5);
    assert_eq!(of(&answer.scores, Metric::OutputNorm).n, 6);
    assert_eq!(of(&answer.scores, Metric::Copying).n, 12);
    for scores in &answer.scores {
        assert!(scores.values.first_non_finite().is_none(), "{scores:?}");
        let at = |[layer, head]: [usize; 2]| scores.values.row(layer)[head];
        assert!(scores.values.data().iter().all(|value| *value <= at(scores.top[0])), "{scores:?}");
        assert!(at(scores.top[1]) <= at(scores.top[0]) && scores.top.len() == 2);
    }
    // Nothing repeats: nothing is measured, and no head is named for it.
    let answer = heads(&[11, 4, 90]);
    let induced = of(&answer.scores, Metric::Induction);
    assert!(
        induced.n == 0 && induced.top.is_empty() && induced.values.data().iter().all(|value| value.is_nan())
    );
}

#[test]
fn a_long_prompt_has_the_scores_that_its_patterns_have() {
    let engine = engine::<f32>("assets/models/tales-4l");
    let tokens: Vec<u32> = (0..300).map(|pos| 5 + pos * 37 % 900).chain(5..40).collect();
    let asked = |kind: &str, on: &str| {
        let question = format!(r#"{{"kind":"{kind}",{on}}}"#);
        ask(&engine, &serde_json::from_str(&question).expect("a question"))
    };
    let prompt = format!(r#""prompt":{{"tokens":{tokens:?}}}"#);
    let Answer::Attention(attention) = asked("attention", &format!(r#"{prompt},"patterns":"none""#)) else {
        panic!("another kind")
    };
    let metrics = r#""metrics":["entropy","induction","first_token","entropy"]"#;
    let Answer::Heads(heads) = asked("heads", &format!(r#""on":{{{prompt}}},{metrics}"#)) else {
        panic!("another kind")
    };
    let asked: Vec<Metric> = heads.scores.iter().map(|scores| scores.metric).collect();
    assert_eq!(asked, [Metric::Entropy, Metric::Induction, Metric::FirstToken]);
    assert_eq!(of(&heads.scores, Metric::Induction).n, attention.n_repeated);
    for head in &attention.heads {
        let value = |metric| of(&heads.scores, metric).values.row(head.layer)[head.head];
        assert_eq!(Some(value(Metric::Induction)), head.induction);
        assert_eq!(Some(value(Metric::FirstToken)), head.first_token);
        assert_eq!(value(Metric::Entropy), head.entropy_nats);
    }
}

#[test]
fn a_score_is_made_of_its_parts_in_every_family() {
    for model in FAMILIES {
        let engine = engine::<f32>(model);
        let (n_layers, soft_cap) = (engine.config().n_layers, engine.config().attn_soft_cap);
        for layer in 0..n_layers {
            let answer = head(
                &engine,
                &format!(
                    r#"{{"kind":"head","prompt":{{"tokens":[5,9,2,9,14,2]}},"layer":{layer},"head":1}}"#
                ),
            );
            let pair = &answer.pair;
            assert_eq!(pair.query, 5);
            let row = answer.pattern.row(5);
            assert!(
                row.iter().all(|probability| *probability <= row[pair.key]),
                "{model}: the most by default"
            );
            let scaled = pair.dot / pair.scale;
            let capped = soft_cap.map_or(scaled, |cap| cap * (scaled / cap).tanh());
            let score = pair.score.expect("the query sees the key");
            assert!((capped - score).abs() <= 1e-4, "{model}: {capped} {score}");
            let probability = (score - pair.log_sum_exp).exp();
            assert!(
                (probability - pair.probability).abs() <= 1e-5,
                "{model}: {probability} {}",
                pair.probability
            );
            assert!((answer.spread.by_distance.iter().sum::<f32>() - 1.0).abs() <= 1e-5, "{model}");
            assert_eq!(answer.spread.max_attention.iter().sum::<usize>(), 5, "{model}");
            assert_eq!(answer.share.is_none(), engine.config().has_post_norms, "{model}");
        }
    }
}

#[test]
fn a_masked_key_has_no_score() {
    let engine = engine::<f32>(GPT2);
    let answer = head(
        &engine,
        r#"{"kind":"head","prompt":{"tokens":[5,9,2]},"layer":0,"head":1,"query":0,"key":2,"reads":"embedding","top_k":0}"#,
    );
    assert_eq!((answer.pair.score, answer.pair.probability), (None, 0.0));
    assert_eq!((answer.reads, answer.share, answer.promoted.len()), (Reads::Embedding, None, 0));
    assert!(answer.pair.log_sum_exp.is_finite());
}

#[test]
fn what_is_written_is_what_the_logits_lose_without_the_head() {
    // Attention only, last layer: with the final scale taken as given, the head's writing is its direct effect.
    let engine = engine::<f32>(TALES);
    let mut sum = std::collections::BTreeMap::new();
    let tokens = [0, 700, 301, 555, 700];
    for key in 0..tokens.len() {
        let answer = head(
            &engine,
            &format!(
                r#"{{"kind":"head","prompt":{{"tokens":{tokens:?}}},"layer":1,"head":2,"key":{key},"top_k":2048}}"#
            ),
        );
        let share = answer.share.expect("nothing comes between");
        for push in answer.promoted {
            *sum.entry(push.token.id).or_insert(0.0) += share * push.logit;
        }
    }
    let without = r#"[{"at":"blocks.1.attn.hook_z","select":{"head":2,"pos":-1},"edit":{"kind":"zero"}}]"#;
    let frozen = support::run(
        &engine,
        &vitrine::run::RunSpec {
            capture: vitrine::hook::HookSet::of([vitrine::hook::HookPoint::FinalScale]),
            ..support::spec(&tokens)
        },
    );
    let scale = frozen.captures[&vitrine::hook::HookPoint::FinalScale].data()[tokens.len() - 1];
    let keep = format!(
        r#"[{},{{"at":"ln_final.hook_scale","select":{{"pos":-1}},"edit":{{"kind":"set","values":{scale}}}}}]"#,
        &without[1..without.len() - 1]
    );
    let (with, without) =
        (support::logits(&engine, &tokens, &[]), support::logits(&engine, &tokens, &support::edits(&keep)));
    let lost: Vec<f64> =
        with.row(4).iter().zip(without.row(4)).map(|(with, without)| f64::from(with - without)).collect();
    let mean = lost.iter().sum::<f64>() / lost.len() as f64;
    for (id, lost) in lost.iter().enumerate() {
        let written = f64::from(sum[&(id as u32)]);
        assert!((lost - mean - written).abs() <= 1e-3, "{id}: {lost} {mean} {written}");
    }
}
