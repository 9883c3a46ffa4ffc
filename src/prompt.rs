//! What a model reads: text or token ids, and how a token is written down.

use serde::{Deserialize, Serialize};

/// What to read. Text needs the model's tokenizer; token ids do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, deny_unknown_fields)]
pub enum Prompt {
    /// Text, tokenized by the model's own tokenizer.
    Text {
        /// The text.
        text: String,
        /// Whether a beginning-of-sequence token goes in front.
        #[serde(default)]
        bos: Bos,
    },
    /// Token ids, read as they are.
    Tokens {
        /// The ids.
        tokens: Vec<u32>,
    },
}

/// Whether a beginning-of-sequence token is put in front of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Bos {
    /// As TransformerLens would for this architecture.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// A token as shown to a reader. The id is what identifies it; two tokens may share a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Token {
    /// The id.
    pub id: u32,
    /// The exact text, where the token's bytes are whole UTF-8 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// The bytes, where they are a part of a character.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<Vec<u8>>,
    /// Whether it is a special token, such as a beginning-of-sequence mark.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_special: bool,
}

/// Writes token ids down; without a tokenizer a token is only its id.
pub trait Vocabulary {
    /// How token `id` is shown.
    fn token(&self, id: u32) -> Token;
}

/// The vocabulary of a model that came without a tokenizer.
#[derive(Clone, Copy, Debug)]
pub struct IdsOnly;

impl Vocabulary for IdsOnly {
    fn token(&self, id: u32) -> Token {
        Token { id, text: None, bytes: None, is_special: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_read_as_documented() {
        let read = |json| serde_json::from_str::<Prompt>(json).ok();
        assert_eq!(read(r#"{"text":"hi"}"#), Some(Prompt::Text { text: "hi".into(), bos: Bos::Auto }));
        assert_eq!(
            read(r#"{"text":"hi","bos":"no"}"#),
            Some(Prompt::Text { text: "hi".into(), bos: Bos::No })
        );
        assert_eq!(read(r#"{"tokens":[1,2]}"#), Some(Prompt::Tokens { tokens: vec![1, 2] }));
        assert_eq!(read(r#"{"text":"hi","boss":"no"}"#), None);
        assert_eq!(read(r#"{"tokens":[-1]}"#), None);
    }
}
