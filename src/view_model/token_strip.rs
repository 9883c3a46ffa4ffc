//! How a token is shown: its text with visible whitespace, or its bytes in hex; never a replacement character.

use crate::prompt::Token;

/// Shown for a space.
pub const SPACE: &str = "·";
/// Shown for a line feed.
pub const NEWLINE: &str = "↵";
/// Shown for a tab.
pub const TAB: &str = "⇥";
/// Shown for a token with no text at all.
pub const EMPTY: &str = "∅";

/// A token, ready to be shown, read out and written into a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText {
    /// What is drawn, left to right.
    pub parts: Vec<Part>,
    /// What a screen reader says: "space the", "newline", "byte E2".
    pub spoken: String,
    /// Special tokens are drawn apart from text.
    pub is_special: bool,
    /// Whether the text goes on in a new line after this token.
    pub ends_line: bool,
}

/// A stretch of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it is.
    Text(String),
    /// A stand-in for something invisible, drawn fainter than text.
    Mark(String),
}

/// How `token` is shown.
pub fn token_text(token: &Token) -> TokenText {
    let (parts, spoken) = match (&token.text, &token.bytes) {
        (Some(text), _) if token.is_special => {
            (vec![Part::Text(text.clone())], format!("special token {text}"))
        }
        (Some(text), _) if text.is_empty() => (vec![mark(EMPTY)], "empty token".to_owned()),
        (Some(text), _) => (parts_of(text), spoken_of(text)),
        (None, Some(bytes)) => (vec![Part::Mark(hex(bytes))], spoken_bytes(bytes)),
        (None, None) => (vec![Part::Mark(format!("#{}", token.id))], format!("token id {}", token.id)),
    };
    let ends_line = !token.is_special && token.text.as_ref().is_some_and(|text| text.ends_with('\n'));
    TokenText { parts, spoken, is_special: token.is_special, ends_line }
}

impl TokenText {
    /// All parts in one string, for labels, sentences and drawings.
    pub fn glyphs(&self) -> String {
        self.parts.iter().map(Part::as_str).collect()
    }

    /// The token in quotation marks, for a sentence.
    pub fn quoted(&self) -> String {
        format!("‘{}’", self.glyphs())
    }
}

impl Part {
    /// What is drawn.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Mark(text) => text,
        }
    }
}

/// At most `n_max` characters, the last of them an ellipsis where something was left out.
pub fn shortened(glyphs: &str, n_max: usize) -> String {
    if glyphs.chars().count() <= n_max {
        return glyphs.to_owned();
    }
    glyphs.chars().take(n_max.saturating_sub(1)).chain(['…']).collect()
}

fn mark(glyph: &str) -> Part {
    Part::Mark(glyph.to_owned())
}

fn parts_of(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for c in text.chars() {
        match (glyph_of(c), parts.last_mut()) {
            (Some(glyph), Some(Part::Mark(marks))) => marks.push_str(&glyph),
            (Some(glyph), _) => parts.push(Part::Mark(glyph)),
            (None, Some(Part::Text(text))) => text.push(c),
            (None, _) => parts.push(Part::Text(c.to_string())),
        }
    }
    parts
}

/// A stand-in for a character that leaves no mark of its own.
fn glyph_of(c: char) -> Option<String> {
    match c {
        ' ' => Some(SPACE.to_owned()),
        '\n' => Some(NEWLINE.to_owned()),
        '\t' => Some(TAB.to_owned()),
        _ if is_invisible(c) => Some(format!("<U+{:04X}>", u32::from(c))),
        _ => None,
    }
}

/// Controls, odd spaces, zero-width and direction marks, and the replacement character itself.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}')
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("<0x{byte:02X}>")).collect()
}

fn spoken_bytes(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{} {}", if bytes.len() == 1 { "byte" } else { "bytes" }, digits.join(" "))
}

fn spoken_of(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut is_inside_word = false;
    for c in text.chars() {
        if let Some(name) = name_of(c) {
            words.push(name);
            is_inside_word = false;
        } else if is_inside_word {
            words.last_mut().expect("a word was begun").push(c);
        } else {
            words.push(c.to_string());
            is_inside_word = true;
        }
    }
    words.join(" ")
}

/// What is said for a character that screen readers pass over in silence.
fn name_of(c: char) -> Option<String> {
    let name = match c {
        ' ' => "space",
        '\n' => "newline",
        '\t' => "tab",
        ',' => "comma",
        '.' => "full stop",
        ';' => "semicolon",
        ':' => "colon",
        '!' => "exclamation mark",
        '?' => "question mark",
        '"' | '“' | '”' => "quotation mark",
        '‘' | '’' => "single quotation mark",
        '(' => "opening bracket",
        ')' => "closing bracket",
        '[' => "opening square bracket",
        ']' => "closing square bracket",
        '{' => "opening brace",
        '}' => "closing brace",
        '-' => "hyphen",
        '–' | '—' => "dash",
        _ if is_invisible(c) => return Some(format!("character U+{:04X}", u32::from(c))),
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> TokenText {
        token_text(&Token { id: 7, text: Some(text.to_owned()), bytes: None, is_special: false })
    }

    fn bytes(bytes: &[u8]) -> TokenText {
        token_text(&Token { id: 7, text: None, bytes: Some(bytes.to_vec()), is_special: false })
    }

    #[test]
    fn whitespace_is_visible_and_spoken() {
        for (given, glyphs, spoken) in [
            (" the", "·the", "space the"),
            ("the", "the", "the"),
            ("\n", "↵", "newline"),
            ("\n\n", "↵↵", "newline newline"),
            ("\t", "⇥", "tab"),
            ("", "∅", "empty token"),
            (",", ",", "comma"),
            (" don't", "·don't", "space don't"),
            ("\u{200b}", "<U+200B>", "character U+200B"),
        ] {
            let shown = text(given);
            assert_eq!((shown.glyphs().as_str(), shown.spoken.as_str()), (glyphs, spoken), "{given:?}");
        }
    }

    #[test]
    fn marks_are_told_from_text() {
        assert_eq!(text(" a").parts, [mark(SPACE), Part::Text("a".into())]);
        // A middle dot that is really there is text.
        assert_eq!(text("·").parts, [Part::Text("·".into())]);
    }

    #[test]
    fn parts_of_a_character_are_hex() {
        assert_eq!(bytes(&[0xe2]).glyphs(), "<0xE2>");
        assert_eq!(bytes(&[0xe2]).spoken, "byte E2");
        assert_eq!(bytes(&[0xe2, 0x80]).glyphs(), "<0xE2><0x80>");
        assert_eq!(bytes(&[0xe2, 0x80]).spoken, "bytes E2 80");
    }

    #[test]
    fn no_replacement_character_is_ever_shown() {
        assert_eq!(text("a\u{fffd}").glyphs(), "a<U+FFFD>");
    }

    #[test]
    fn special_tokens_and_bare_ids_say_what_they_are() {
        let bos = Token { id: 0, text: Some("<|bos|>".into()), bytes: None, is_special: true };
        assert!(token_text(&bos).is_special);
        assert_eq!(token_text(&bos).spoken, "special token <|bos|>");
        assert_eq!(token_text(&Token { id: 17, text: None, bytes: None, is_special: false }).glyphs(), "#17");
    }

    #[test]
    fn lines_end_where_the_text_does() {
        assert!(text(".\n").ends_line);
        assert!(!text("\n ").ends_line);
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shortened("·été", 4), "·été");
        assert_eq!(shortened("·interests", 5), "·int…");
    }
}
