//! Models of the hub that are worth opening first: what they are good for, about how large, and under which licence.
//!
//! Sizes are those of the weights files, rounded; a download says the exact bytes, from the hub's own list.

/// A model of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curated {
    /// `owner/name`.
    pub repo: &'static str,
    /// What it is good for, in a few words.
    pub words: &'static str,
    /// Of its weights file, about.
    pub size_bytes: u64,
    /// As its page names it.
    pub licence: &'static str,
    /// Whether its owner asks for conditions to be accepted first.
    pub is_gated: bool,
}

impl Curated {
    const fn new(repo: &'static str, size_mb: u64, licence: &'static str, words: &'static str) -> Self {
        Self { repo, words, size_bytes: size_mb * 1_000_000, licence, is_gated: false }
    }

    /// All of them, the one to begin with first.
    pub const ALL: [Self; 8] = [
        Self::new(
            "openai-community/gpt2",
            548,
            "MIT",
            "GPT-2 small: 12 layers of 12 heads, in which most published circuits were found",
        ),
        Self::new(
            "distilbert/distilgpt2",
            353,
            "Apache 2.0",
            "GPT-2 distilled to half its depth: the same tokens, 6 layers",
        ),
        Self::new(
            "EleutherAI/pythia-70m",
            166,
            "Apache 2.0",
            "6 layers; 154 checkpoints of its training, each a revision such as step1000",
        ),
        Self::new(
            "EleutherAI/pythia-160m",
            375,
            "Apache 2.0",
            "12 layers with rotary positions; the same checkpoints as the 70m",
        ),
        Self::new(
            "roneneldan/TinyStories-33M",
            274,
            "not stated",
            "4 wide layers that write stories for small children; every other layer looks at 256 tokens",
        ),
        Self::new(
            "HuggingFaceTB/SmolLM2-135M",
            269,
            "Apache 2.0",
            "30 thin layers in the style of Llama: RMS norms, shared keys and values",
        ),
        Self::new("Qwen/Qwen3-0.6B", 1_500, "Apache 2.0", "28 layers, normed queries and keys; wants a GPU"),
        Self {
            is_gated: true,
            ..Self::new(
                "google/gemma-3-270m",
                536,
                "Gemma terms",
                "18 layers with sliding windows and a vocabulary of 262\u{202f}144",
            )
        },
    ];

    /// The one with this name.
    pub fn of(repo: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.repo == repo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_repository_and_is_there_once() {
        for model in Curated::ALL {
            assert_eq!(model.repo.split('/').filter(|part| !part.is_empty()).count(), 2, "{}", model.repo);
            assert_eq!(Curated::ALL.iter().filter(|other| other.repo == model.repo).count(), 1);
            assert_eq!(Curated::of(model.repo), Some(model));
        }
        assert_eq!(Curated::of("gpt2"), None);
    }
}
