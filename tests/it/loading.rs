//! Loading a file as it comes: in any portions, in any order, and cut anywhere.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};
use vitrine::{
    backend::{Backend, cpu::Cpu},
    model::{
        checkpoint::{Checkpoint, LoadError, WeightsReader},
        folder::{CONFIG, WEIGHTS},
    },
    tensor::HostTensor,
};

use crate::support::{ATTN_ONLY, GPT2, files};

const PREFIXED: &str = "tests/golden/gpt2-prefixed";
const BF16: &str = "tests/golden/gpt2-bf16";

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The tensors of a file, in the order of their bytes.
fn tensors(file: &[u8]) -> Vec<Tensor> {
    let file = SafeTensors::deserialize(file).expect("a golden file");
    let mut tensors: Vec<_> = file.iter().collect();
    tensors.sort_by_key(|(_, view)| view.data().as_ptr());
    let tensor = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| Tensor {
        name: name.to_owned(),
        dtype: match view.dtype() {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::BF16 => "BF16",
            Dtype::U8 => "U8",
            other => panic!("{name}: {other:?}"),
        },
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec(),
    };
    tensors.into_iter().map(tensor).collect()
}

/// A file with these tensors, in this order.
fn file(tensors: &[Tensor]) -> Vec<u8> {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for Tensor { name, dtype, shape, bytes } in tensors {
        let start = end;
        end += bytes.len();
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let header = serde_json::Value::from(header).to_string();
    let mut file = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    tensors.iter().for_each(|tensor| file.extend(&tensor.bytes));
    file
}

/// What comes of a file in portions, of which nothing is known before.
fn read(config: &[u8], portions: &[&[u8]]) -> Result<Checkpoint<Cpu>, LoadError> {
    pollster::block_on(async {
        let b = Cpu::default();
        let mut reader = WeightsReader::new(&b, config, None)?;
        for portion in portions {
            reader.feed(portion).await?;
        }
        reader.finish().await
    })
}

/// The bits of all weights, by name.
fn bits(checkpoint: &Checkpoint<Cpu>) -> BTreeMap<String, Vec<u32>> {
    let (mut vectors, mut matrices) = (vec![], vec![]);
    checkpoint.weights.visit(
        &mut |name, vector| vectors.push((name.to_owned(), vector.clone())),
        &mut |name, matrix, _| matrices.push((name.to_owned(), matrix.clone())),
    );
    let b = Cpu::<f32>::default();
    let of = |host: HostTensor| host.data().iter().map(|v| v.to_bits()).collect();
    let vectors = vectors
        .into_iter()
        .map(|(name, vector)| (name, of(pollster::block_on(b.read(&vector)).expect("is on the CPU"))));
    let matrices = matrices
        .into_iter()
        .map(|(name, matrix)| (name, of(pollster::block_on(b.read_matrix(&matrix)).expect("is on the CPU"))));
    vectors.chain(matrices).collect()
}

/// The same, taken from the file by the names of its tensors.
fn expected(file: &[u8]) -> BTreeMap<String, Vec<u32>> {
    let mut expected = BTreeMap::new();
    let is_mask = |name: &str| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
    for Tensor { name, dtype, shape, bytes } in tensors(file) {
        if is_mask(&name) {
            continue;
        }
        let values: Vec<u32> = match dtype {
            "F32" => bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect(),
            "F16" => {
                let half = |b: &[u8; 2]| half::f16::from_le_bytes(*b).to_f32().to_bits();
                bytes.as_chunks().0.iter().map(half).collect()
            }
            "BF16" => bytes.as_chunks().0.iter().map(|b| u32::from(u16::from_le_bytes(*b)) << 16).collect(),
            other => panic!("{name}: {other}"),
        };
        let n_cols = shape.last().copied().unwrap_or(1);
        let name = name.strip_prefix("transformer.").unwrap_or(&name);
        let in_model = match name.strip_prefix("h.").and_then(|name| name.split_once('.')) {
            None => match name {
                "wte.weight" => "embed.W_E".to_owned(),
                "wpe.weight" => "pos_embed.W_pos".to_owned(),
                "lm_head.weight" => "unembed.W_U".to_owned(),
                "ln_f.weight" => "ln_final.w".to_owned(),
                "ln_f.bias" => "ln_final.b".to_owned(),
                other => panic!("{other}"),
            },
            Some((layer, part @ ("attn.c_attn.weight" | "attn.c_attn.bias"))) => {
                for (idx, head) in ["Q", "K", "V"].into_iter().enumerate() {
                    let third = n_cols / 3;
                    let rows = values.chunks(n_cols).flat_map(|row| &row[idx * third..(idx + 1) * third]);
                    let kind = if part.ends_with("weight") { "W" } else { "b" };
                    expected.insert(format!("blocks.{layer}.attn.{kind}_{head}"), rows.copied().collect());
                }
                continue;
            }
            Some((layer, part)) => {
                let part = match part {
                    "ln_1.weight" => "ln1.w",
                    "ln_1.bias" => "ln1.b",
                    "ln_2.weight" => "ln2.w",
                    "ln_2.bias" => "ln2.b",
                    "attn.c_proj.weight" => "attn.W_O",
                    "attn.c_proj.bias" => "attn.b_O",
                    "mlp.c_fc.weight" => "mlp.W_in",
                    "mlp.c_fc.bias" => "mlp.b_in",
                    "mlp.c_proj.weight" => "mlp.W_out",
                    "mlp.c_proj.bias" => "mlp.b_out",
                    other => panic!("{other}"),
                };
                format!("blocks.{layer}.{part}")
            }
        };
        expected.insert(in_model, values);
    }
    expected
}

#[test]
fn portions_of_any_length_give_the_same_bits() {
    for model in [GPT2, ATTN_ONLY, PREFIXED, BF16] {
        let files = files(model);
        let (config, whole) = (&files[CONFIG], &files[WEIGHTS]);
        let mut want = expected(whole);
        for portion in [1, 7, 997, whole.len()] {
            let portions: Vec<&[u8]> = whole.chunks(portion).collect();
            let checkpoint = read(config, &portions).unwrap_or_else(|error| panic!("{model}: {error}"));
            if checkpoint.config.is_tied {
                want.remove("unembed.W_U");
            }
            assert!(bits(&checkpoint) == want, "{model}, {portion} bytes at a time");
        }
    }
}

#[test]
fn the_order_of_tensors_does_not_matter() {
    let files = files(GPT2);
    let mut turned = tensors(&files[WEIGHTS]);
    turned.reverse();
    let checkpoint = read(&files[CONFIG], &[&file(&turned)]).expect("the same model");
    assert!(bits(&checkpoint) == expected(&files[WEIGHTS]));
}

#[test]
fn a_value_that_differs_is_noticed() {
    let files = files(GPT2);
    let mut whole = files[WEIGHTS].clone();
    let want = expected(&whole);
    let last = whole.len() - 4;
    whole[last] ^= 1;
    let checkpoint = read(&files[CONFIG], &[&whole]).expect("another model");
    assert!(bits(&checkpoint) != want);
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let files = files(GPT2);
    let (config, whole) = (&files[CONFIG], &files[WEIGHTS]);
    let mut end = whole.len() - tensors(whole).iter().map(|tensor| tensor.bytes.len()).sum::<usize>();
    let mut cuts: Vec<usize> = (0..end).step_by(61).chain([7, 8, 9, end - 1]).collect();
    for tensor in tensors(whole) {
        let row_bytes = tensor.bytes.len() / tensor.shape[0];
        cuts.extend([end, end + 1, end + 4, end + row_bytes, end + row_bytes + 1]);
        end += tensor.bytes.len();
    }
    cuts.push(whole.len() - 1);
    for cut in cuts.into_iter().filter(|cut| *cut < whole.len()) {
        let portions: Vec<&[u8]> = whole[..cut].chunks(1000).collect();
        match read(config, &portions).map(|_| ()).expect_err("is cut") {
            LoadError::NotSafetensors { .. } => assert!(cut < 9, "cut at {cut}"),
            LoadError::Truncated { expected_bytes, got_bytes } => {
                assert_eq!(got_bytes, cut as u64);
                assert!(cut < 3480 || expected_bytes == whole.len() as u64, "cut at {cut}");
            }
            other => panic!("cut at {cut}: {other}"),
        }
    }
}

#[test]
fn a_file_that_goes_on_is_refused() {
    let files = files(GPT2);
    let (config, whole) = (&files[CONFIG], &files[WEIGHTS]);
    for portions in [vec![&whole[..], &[0][..]], vec![&[&whole[..], &[0]].concat()]] {
        let error = read(config, &portions).map(|_| ()).expect_err("is too long");
        assert!(matches!(error, LoadError::NotSafetensors { .. }), "{error}");
    }
}

#[test]
fn what_is_wrong_is_said_as_soon_as_it_is_read() {
    let files = files(GPT2);
    let (config, mut whole) = (files[CONFIG].clone(), files[WEIGHTS].clone());
    let tensors = tensors(&whole);
    let data = whole.len() - tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>();
    let at = data + tensors[0].bytes.len() + 8;
    whole[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let feed = |config: &[u8], bytes: &[u8]| {
        pollster::block_on(WeightsReader::new(&Cpu::<f32>::default(), config, None)?.feed(bytes))
    };
    let up_to_second = &whole[..data + tensors[0].bytes.len() + tensors[1].bytes.len()];
    let wrong = LoadError::NonFinite { name: tensors[1].name.clone(), index: 2, value: "NaN".to_owned() };
    assert_eq!(feed(&config, up_to_second), Err(wrong));
    let of_another = String::from_utf8(config).expect("JSON").replace("97", "98");
    let header_alone = feed(of_another.as_bytes(), &whole[..data]);
    assert!(matches!(header_alone, Err(LoadError::Contradiction { .. })), "{header_alone:?}");
    let too_short = pollster::block_on(async {
        let b = Cpu::<f32>::default();
        WeightsReader::new(&b, files[CONFIG].as_slice(), Some(5000))?.feed(&whole[..data]).await
    });
    assert!(matches!(too_short, Err(LoadError::Truncated { got_bytes: 5000, .. })), "{too_short:?}");
}

/// A vocabulary whose embedding goes to the backend in several parts.
const N_VOCAB: usize = 20_000;

/// W_U beside W_E: before or after it, equal or not, stored in one way or two.
#[test]
fn an_unembedding_that_is_the_embedding_is_held_once() {
    let files = files(ATTN_ONLY);
    let mut config: serde_json::Value = serde_json::from_slice(&files[CONFIG]).expect("a config");
    config["vocab_size"] = N_VOCAB.into();
    let config = config.to_string();
    let (mut all, mut w_e) = (vec![], None);
    for tensor in tensors(&files[WEIGHTS]) {
        match tensor.name.strip_prefix("transformer.").unwrap_or(&tensor.name) {
            "wte.weight" => w_e = Some(tensor),
            "lm_head.weight" => {}
            _ => all.push(tensor),
        }
    }
    let w_e = w_e.expect("a model has one");
    let d_model = w_e.shape[1];
    let bytes = (0..N_VOCAB * d_model).flat_map(|n| (n as f32).sin().to_le_bytes()).collect();
    let w_e = Tensor { dtype: "F32", shape: vec![N_VOCAB, d_model], bytes, ..w_e };
    all.push(w_e.clone());
    let floats =
        |bytes: &[u8]| -> Vec<u32> { bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect() };
    let load = |all: &[Tensor]| {
        let file = file(all);
        let portions: Vec<&[u8]> = file.chunks(1 << 16).collect();
        read(config.as_bytes(), &portions).expect("a whole model")
    };
    let n_tied = load(&all).weights.n_values(&Cpu::<f32>::default());
    // The first value, one in the middle, the last; none.
    let last = w_e.bytes.len() - 4;
    for changed in [Some(0), Some(last / 8 * 4), Some(last), None] {
        let mut head = Tensor { name: "lm_head.weight".to_owned(), ..w_e.clone() };
        if let Some(at) = changed {
            head.bytes[at..at + 4].copy_from_slice(&2.5_f32.to_le_bytes());
        }
        let wide = floats(&head.bytes).into_iter().map(f32::from_bits).map(f64::from);
        let wide = wide.flat_map(f64::to_le_bytes).collect();
        for stored in [head.clone(), Tensor { dtype: "F64", bytes: wide, ..head.clone() }] {
            for at in [0, all.len()] {
                let mut all = all.clone();
                all.insert(at, stored.clone());
                let checkpoint = load(&all);
                assert_eq!(checkpoint.config.is_tied, changed.is_none());
                let bits = bits(&checkpoint);
                assert!(bits["embed.W_E"] == floats(&w_e.bytes), "{changed:?}, {} at {at}", stored.dtype);
                let w_u = changed.map(|_| floats(&head.bytes));
                assert!(bits.get("unembed.W_U") == w_u.as_ref(), "{changed:?}, {} at {at}", stored.dtype);
                let n_values = checkpoint.weights.n_values(&Cpu::<f32>::default());
                assert_eq!(n_values, n_tied + w_u.map_or(0, |w_u| w_u.len() as u64));
            }
        }
    }
}
