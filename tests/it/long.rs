//! Prompts over 256 tokens: a layer is computed again when it is looked at, and is what it was.

use vitrine::{
    analysis::{Answer, Question, attention},
    backend::cpu::Cpu,
    engine::{Cancelled, Engine, Pace},
    hook::{HookPoint, HookSet, Site},
    intervention::Intervention,
    model::ModelConfig,
    prompt::Prompt,
    run::{Readout, RunResult, RunSpec, WeightForm},
};

use crate::support::{edits, engine};

const TALES_4L: &str = "assets/models/tales-4l";
const N_LAYERS: usize = 4;
/// An edit that would show if it were made twice, and one in a later layer.
const EDITS: &str = r#"[{"at":"blocks.1.hook_resid_pre","edit":{"kind":"scale","by":1.5}},
    {"at":"blocks.2.attn.hook_z","select":{"pos":7},"edit":{"kind":"zero"}}]"#;

/// Counts the blocks that were entered.
#[derive(Default)]
struct Blocks(usize);

impl Pace for Blocks {
    async fn breathe(&mut self) -> Result<(), Cancelled> {
        self.0 += 1;
        Ok(())
    }
}

fn tokens(n: u32) -> Vec<u32> {
    (0..n).map(|pos| 5 + pos * 37 % 900).collect()
}

fn spec(n_tokens: u32, interventions: &[Intervention], capture: HookSet) -> RunSpec {
    RunSpec {
        tokens: tokens(n_tokens),
        weights: WeightForm::Raw,
        interventions: interventions.to_vec(),
        capture,
        readout: Readout::Nothing,
    }
}

fn run(engine: &Engine<Cpu>, spec: &RunSpec) -> (RunResult, usize) {
    let mut blocks = Blocks::default();
    (pollster::block_on(engine.run(spec, &mut blocks)).expect("runs"), blocks.0)
}

fn of_layer(config: &ModelConfig, layer: usize) -> HookSet {
    let sites = Site::all().filter(|site| config.has(*site) && *site != Site::Result);
    HookSet::of(sites.map(|site| HookPoint::Block(layer, site)))
}

#[test]
fn a_layer_of_a_long_prompt_is_computed_alone_and_is_what_it_was() {
    let engine = engine::<f32>(TALES_4L);
    let edits = edits(EDITS);
    let of_layer = |layer| of_layer(engine.config(), layer);
    let all = HookSet::of(
        (0..N_LAYERS)
            .flat_map(|layer| of_layer(layer).resolve(&engine.config().hook_points()).expect("are there")),
    );
    let (whole, n_blocks) = run(&engine, &spec(257, &edits, all));
    assert_eq!(n_blocks, N_LAYERS);
    for layer in (0..N_LAYERS).rev() {
        let (alone, n_blocks) = run(&engine, &spec(257, &edits, of_layer(layer)));
        assert_eq!(n_blocks, 1, "layer {layer}");
        assert!(alone.captures.iter().all(|(hook, value)| *value == whole.captures[hook]), "layer {layer}");
    }
    // Another run has other streams.
    let (_, n_blocks) = run(&engine, &spec(257, &[], of_layer(2)));
    assert_eq!(n_blocks, N_LAYERS);
    let (_, n_blocks) = run(&engine, &spec(256, &edits, of_layer(2)));
    assert_eq!(n_blocks, N_LAYERS);
}

#[test]
fn a_long_question_holds_one_layer_at_a_time() {
    let engine = engine::<f32>(TALES_4L);
    let ask = |n_tokens: u32, heads: &str| {
        let question = Question::Attention(attention::Question {
            prompt: Prompt::Tokens { tokens: tokens(n_tokens) },
            weights: WeightForm::Raw,
            interventions: vec![],
            top_k: 3,
            heads: serde_json::from_str(heads).expect("heads"),
            patterns: serde_json::from_str("[[1,0],[3,2]]").expect("heads"),
            scores: serde_json::from_str("[[2,1]]").expect("heads"),
        });
        let mut blocks = Blocks::default();
        let answer = pollster::block_on(engine.ask(&question, &mut blocks, |_| {})).expect("is answered");
        let Answer::Attention(answer) = answer else { panic!("an answer of another kind") };
        (answer, blocks.0)
    };
    let (long, n_blocks) = ask(300, "\"all\"");
    // One pass, then each layer again.
    assert_eq!(n_blocks, 2 * N_LAYERS);
    let (short, n_blocks) = ask(256, "\"all\"");
    assert_eq!(n_blocks, N_LAYERS);
    for answer in [&long, &short] {
        assert_eq!(answer.heads.len(), N_LAYERS * engine.config().n_heads);
        assert_eq!((answer.patterns.len(), answer.scores.len()), (2, 1));
        assert_eq!(answer.positions.len(), answer.tokens.len());
        assert!(answer.loss_nats.is_some());
    }
    // Fewer scores are a choice; they are the same ones.
    let (listed, _) = ask(300, "[[3,2],[1,0]]");
    let is_listed = |of: &&attention::HeadScores| [[1, 0], [3, 2]].contains(&[of.layer, of.head]);
    assert!(listed.heads.iter().eq(long.heads.iter().filter(is_listed)));
    assert_eq!(listed.heads.len(), 2);
    assert!(ask(256, "\"none\"").0.heads.is_empty());
    // The first 256 positions of a pattern do not depend on what follows.
    let (long, short) = (&long.patterns[1].values, &short.patterns[1].values);
    for pos in 0..256 {
        let err =
            long.row(pos)[..256].iter().zip(short.row(pos)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(err <= 1e-5, "position {pos}: {err}");
    }
}
