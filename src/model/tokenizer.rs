//! Text to token ids and back, through the `tokenizers` crate; tokens shown byte by byte.

use std::collections::HashMap;

use tokenizers::{
    Tokenizer as Inner,
    decoders::byte_level::ByteLevel as ByteLevelDecoder,
    models::bpe::{BPE, Merges, Vocab},
    pre_tokenizers::byte_level::ByteLevel,
};

use super::checkpoint::LoadError;
use crate::prompt::{Token, Vocabulary};

/// A model's tokenizer.
pub struct Tokenizer {
    inner: Inner,
    writing: Writing,
}

/// How a vocabulary writes tokens down.
enum Writing {
    /// Each byte as a printable character (GPT-2).
    Bytes(HashMap<char, u8>),
    /// As text, with U+2581 for a space and `<0x0A>` for a byte (SentencePiece).
    Pieces,
}

impl Writing {
    /// That of a tokenizer: its parts say whether it works on bytes.
    fn of(inner: &Inner) -> Self {
        let is_of_bytes = |part: Result<String, _>| part.is_ok_and(|json| json.contains("\"ByteLevel\""));
        let decoder = serde_json::to_string(&inner.get_decoder());
        if is_of_bytes(decoder) || is_of_bytes(serde_json::to_string(&inner.get_pre_tokenizer())) {
            Self::Bytes(byte_from_char())
        } else {
            Self::Pieces
        }
    }

    /// The bytes of a token that is written like this.
    fn bytes_of(&self, name: String) -> Vec<u8> {
        match self {
            Self::Bytes(byte_from_char) => {
                let bytes: Option<Vec<u8>> = name.chars().map(|c| byte_from_char.get(&c).copied()).collect();
                // An added token is written as itself.
                bytes.unwrap_or_else(|| name.into_bytes())
            }
            Self::Pieces => match byte_of(&name) {
                Some(byte) => vec![byte],
                None => name.replace('\u{2581}', " ").into_bytes(),
            },
        }
    }
}

/// The byte that `<0x0A>` stands for.
fn byte_of(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_byte = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_byte)
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.inner.get_vocab_size(true))
    }
}

fn unreadable(error: impl std::fmt::Display) -> LoadError {
    LoadError::Tokenizer { message: error.to_string() }
}

impl Tokenizer {
    /// From the bytes of tokenizer.json.
    ///
    /// Errors: [`LoadError::Tokenizer`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, LoadError> {
        let inner = Inner::from_bytes(bytes).map_err(unreadable)?;
        Ok(Self { writing: Writing::of(&inner), inner })
    }

    /// From the bytes of vocab.json and merges.txt: GPT-2's byte-level BPE.
    ///
    /// Errors: [`LoadError::Tokenizer`].
    pub fn from_vocab_and_merges(vocab: &[u8], merges: &str) -> Result<Self, LoadError> {
        let vocab: HashMap<String, u32> = serde_json::from_slice(vocab).map_err(unreadable)?;
        let special: Vec<String> = vocab.keys().filter(|key| is_special_name(key)).cloned().collect();
        let bpe = BPE::builder()
            .vocab_and_merges(vocab.into_iter().collect::<Vocab>(), parse_merges(merges)?)
            .build()
            .map_err(unreadable)?;
        let mut inner = Inner::new(bpe);
        inner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        inner.with_decoder(Some(ByteLevelDecoder::new(false, true, true)));
        let special: Vec<_> =
            special.into_iter().map(|content| tokenizers::AddedToken::from(content, true)).collect();
        inner.add_special_tokens(&special);
        Ok(Self { inner, writing: Writing::Bytes(byte_from_char()) })
    }

    /// Token ids of `text`, without any that the tokenizer would add by itself: BOS is our business.
    ///
    /// Errors: what the tokenizer refuses.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LoadError> {
        Ok(self.inner.encode_fast(text, false).map_err(unreadable)?.get_ids().to_vec())
    }

    /// The text of `ids`, without an unfinished character at its end. Special tokens are left out; the space that some
    /// tokenizers put before the first word is not, since a continuation begins with it.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for id in ids {
            if !self.is_special(*id) {
                bytes.extend(self.bytes_of(*id));
            }
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => text.to_owned(),
            Err(error) if error.error_len().is_none() => {
                String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
            }
            Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The bytes that a token stands for.
    fn bytes_of(&self, id: u32) -> Vec<u8> {
        self.inner.id_to_token(id).map_or_else(Vec::new, |name| self.writing.bytes_of(name))
    }

    fn is_special(&self, id: u32) -> bool {
        self.inner.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special)
    }
}

impl Vocabulary for Tokenizer {
    fn token(&self, id: u32) -> Token {
        if self.is_special(id) {
            return Token { id, text: self.inner.id_to_token(id), bytes: None, is_special: true };
        }
        if self.inner.id_to_token(id).is_none() {
            // A vocabulary may be padded beyond its tokenizer.
            return Token { id, text: None, bytes: None, is_special: false };
        }
        match String::from_utf8(self.bytes_of(id)) {
            Ok(text) => Token { id, text: Some(text), bytes: None, is_special: false },
            Err(error) => Token { id, text: None, bytes: Some(error.into_bytes()), is_special: false },
        }
    }
}

fn is_special_name(name: &str) -> bool {
    name.starts_with("<|") && name.ends_with("|>")
}

fn parse_merges(merges: &str) -> Result<Merges, LoadError> {
    let lines = merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
    lines
        .map(|line| {
            let (left, right) = line
                .split_once(' ')
                .ok_or_else(|| unreadable(format!("merges.txt has the line `{line}`")))?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect()
}

/// GPT-2's alphabet: each byte as a printable character (Radford et al. 2019, `bytes_to_unicode`).
fn byte_from_char() -> HashMap<char, u8> {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut n_shifted = 0;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let code = if is_printable(byte) {
                u32::from(byte)
            } else {
                n_shifted += 1;
                255 + n_shifted
            };
            Some((char::from_u32(code)?, byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_gpt2s() {
        let alphabet = byte_from_char();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(alphabet.get(&'Ġ'), Some(&b' '));
        assert_eq!(alphabet.get(&'Ċ'), Some(&b'\n'));
        assert_eq!(alphabet.get(&'A'), Some(&b'A'));
        assert_eq!(alphabet.get(&'Ń'), Some(&0xad));
    }

    #[test]
    fn vocab_and_merges_make_a_tokenizer() {
        let vocab = r#"{"<|endoftext|>":0,"a":1,"b":2,"ab":3,"Ġ":4,"Ã":5,"©":6}"#;
        let tokenizer = Tokenizer::from_vocab_and_merges(vocab.as_bytes(), "#version: 0.2\na b\n")
            .expect("is well formed");
        assert_eq!(tokenizer.encode("ab ba<|endoftext|>").expect("encodes"), [3, 4, 2, 1, 0]);
        let ids = tokenizer.encode("é").expect("encodes");
        assert_eq!(ids, [5, 6]);
        assert_eq!(tokenizer.decode(&ids), "é");
        assert_eq!(tokenizer.decode(&ids[..1]), "");
        assert_eq!(tokenizer.token(5).bytes, Some(vec![0xc3]));
        assert_eq!(tokenizer.token(4).text.as_deref(), Some(" "));
        assert!(tokenizer.token(0).is_special);
        assert_eq!(tokenizer.token(99).text, None);
    }

    #[test]
    fn pieces_are_text_spaces_and_bytes() {
        let bytes = |name: &str| Writing::Pieces.bytes_of(name.to_owned());
        assert_eq!(bytes("\u{2581}the"), b" the");
        assert_eq!(bytes("é"), "é".as_bytes());
        assert_eq!(bytes("<0xE2>"), [0xe2]);
        for text in ["<0xE>", "<0xZZ>", "<0x+1>", "<0xE2"] {
            assert_eq!(bytes(text), text.as_bytes());
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        assert!(Tokenizer::from_json(b"{").is_err());
        assert!(Tokenizer::from_vocab_and_merges(b"[]", "").is_err());
        assert!(Tokenizer::from_vocab_and_merges(b"{}", "one-word").is_err());
    }
}
