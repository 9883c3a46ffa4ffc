//! The arrays that a native run leaves, read from its safetensors file.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;

use super::cases::D_VOCAB;

/// Arrays by hook point, flattened.
pub type Tensors = BTreeMap<String, Vec<f32>>;

/// One value; `logprobs` are the logits' own log-softmax.
pub fn value(tensors: &Tensors, name: &str, at: usize) -> Option<f32> {
    if name != "logprobs" {
        return tensors.get(name)?.get(at).copied();
    }
    let row = tensors.get("logits")?.chunks_exact(D_VOCAB).nth(at / D_VOCAB)?;
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|logit| f64::from(logit - max).exp()).sum();
    Some((f64::from(row[at % D_VOCAB] - max) - sum.ln()) as f32)
}

/// Little-endian floats.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The arrays of a safetensors file that has F32 only, as `vitrine run` writes it.
///
/// Errors: it is none, or not whole.
pub fn of(file: &[u8]) -> Result<Tensors> {
    let (n_header, rest) =
        file.split_first_chunk::<8>().context("a safetensors file begins with a length")?;
    let n_header = u64::from_le_bytes(*n_header) as usize;
    let header = rest.get(..n_header).context("the header ends early")?;
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).context("the header is no JSON")?;
    let data = &rest[n_header..];
    let mut tensors = Tensors::new();
    for (name, tensor) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        ensure!(tensor["dtype"] == "F32", "{name} is not F32");
        let offset = |idx: usize| tensor["data_offsets"][idx].as_u64().map(|at| at as usize);
        let (start, end) = offset(0).zip(offset(1)).with_context(|| format!("{name} lies nowhere"))?;
        let bytes = data.get(start..end).with_context(|| format!("{name} lies outside the file"))?;
        tensors.insert(name, floats(bytes));
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safetensors_file_is_read() {
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.extend([1.0_f32, -2.0].iter().flat_map(|value| value.to_le_bytes()));
        assert_eq!(of(&file).expect("whole")["a"], [1.0, -2.0]);
        assert!(of(&file[..file.len() - 1]).is_err());
    }

    #[test]
    fn log_probabilities_are_the_logits_normalised() {
        let mut logits = vec![0.0; 2 * D_VOCAB];
        logits[D_VOCAB + 7] = 3.0;
        let tensors = Tensors::from([("logits".to_owned(), logits)]);
        let at = |id: usize| value(&tensors, "logprobs", D_VOCAB + id).expect("there");
        assert!((at(7) - at(8) - 3.0).abs() < 1e-5 && at(7) < 0.0, "{} {}", at(7), at(8));
        let even = value(&tensors, "logprobs", 5).expect("there");
        assert!((even + (D_VOCAB as f32).ln()).abs() < 1e-5, "{even}");
        assert_eq!(value(&tensors, "logprobs", 2 * D_VOCAB), None);
    }
}
