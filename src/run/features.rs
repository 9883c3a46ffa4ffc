//! Features of sparse autoencoders, as data: of what they are wanted, and what came of it.

use serde::{Deserialize, Serialize};

use super::WeightForm;
use crate::{intervention::Intervention, prompt::Prompt, tensor::HostTensor};

/// Features to compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodeSpec {
    /// The name of the sparse autoencoder, as it was loaded beside the model.
    pub sae: String,
    /// What it reads.
    pub of: Activations,
    /// The largest of each row only; without it all that are active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
}

/// What a sparse autoencoder reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Activations {
    /// The model's own, at the autoencoder's hook point.
    Run {
        /// What the model reads.
        prompt: Prompt,
        /// Raw or processed weights. Many autoencoders of GPT-2 were trained on the centred stream, which processed
        /// weights make.
        #[serde(default)]
        weights: WeightForm,
        /// What is changed on the way.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interventions: Vec<Intervention>,
    },
    /// These, one after the other; in a message they travel beside it. [row d_in]
    Rows(HostTensor),
}

/// The features of some rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Value and index of each, largest first; where a row has fewer than another, the value is 0. [row n 2]
    pub pairs: HostTensor,
}

impl Features {
    /// From the index and value of each row's features, largest first.
    pub fn new(rows: &[Vec<(u32, f32)>]) -> Self {
        let n = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut pairs = HostTensor::full(vec![rows.len(), n, 2], 0.0);
        for (to, row) in pairs.data_mut().chunks_exact_mut((2 * n).max(1)).zip(rows) {
            for (pair, (index, value)) in to.chunks_exact_mut(2).zip(row) {
                // Exact: there are no more than 2^24.
                pair.copy_from_slice(&[*value, *index as f32]);
            }
        }
        Self { pairs }
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.pairs.shape().first().copied().unwrap_or(0)
    }

    /// Index and value of each feature of a row, largest first.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f32)> {
        let n = self.pairs.shape().get(1).copied().unwrap_or(0);
        let pairs = self.pairs.data()[row * n * 2..][..n * 2].chunks_exact(2);
        pairs.take_while(|pair| 0.0 < pair[0]).map(|pair| (pair[1] as u32, pair[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Bos;

    #[test]
    fn rows_may_have_different_numbers_of_features() {
        let rows = [vec![(7, 2.5), (3, 1.0)], vec![], vec![(0, 0.5)]];
        let features = Features::new(&rows);
        assert_eq!((features.pairs.shape(), features.n_rows()), (&[3, 2, 2][..], 3));
        for (nth, row) in rows.iter().enumerate() {
            assert_eq!(features.row(nth).collect::<Vec<_>>(), *row);
        }
        assert_eq!(Features::new(&[vec![], vec![]]).row(1).count(), 0);
    }

    #[test]
    fn what_is_read_is_said_as_documented() {
        let json =
            r#"{"sae":"8-res-jb","of":{"run":{"prompt":{"text":"hi"},"weights":"processed"}},"top_k":32}"#;
        let prompt = Prompt::Text { text: "hi".into(), bos: Bos::Auto };
        let of = Activations::Run { prompt, weights: WeightForm::Processed, interventions: vec![] };
        let want = EncodeSpec { sae: "8-res-jb".into(), of, top_k: Some(32) };
        assert_eq!(serde_json::from_str::<EncodeSpec>(json).ok(), Some(want));
        let json = r#"{"sae":"a","of":{"rows":{"shape":[1,2],"data":[0.5,1]}}}"#;
        let rows = HostTensor::new(vec![1, 2], vec![0.5, 1.0]).expect("two values");
        let want = EncodeSpec { sae: "a".into(), of: Activations::Rows(rows), top_k: None };
        assert_eq!(serde_json::from_str::<EncodeSpec>(json).ok(), Some(want));
        assert!(serde_json::from_str::<EncodeSpec>(r#"{"sae":"a","of":{}}"#).is_err());
    }
}
