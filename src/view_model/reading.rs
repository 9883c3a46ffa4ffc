//! Attention told over the text: what one query reads, who reads it, and the strongest pairs, in words.

use super::{
    heatmap::{Cell, Heatmap, Quantity},
    number,
    token_strip::TokenText,
};

/// Attention below this is not told.
const LEAST_TOLD: f32 = 0.05;

/// One token of the text, seen from the token in focus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Whether it is the token in focus.
    pub is_query: bool,
    /// How much the one in focus reads it, 0 to 1.
    pub reads: f32,
    /// How much it reads the one in focus, 0 to 1.
    pub read_by: f32,
}

/// How a token is drawn, in steps of two percent: what looks the same is equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordMark {
    /// How much the token in focus reads it.
    pub reads_percent: u8,
    /// How much it reads the token in focus.
    pub read_by_percent: u8,
    /// Whether it is the token in focus.
    pub is_query: bool,
    /// Whether it is the key under the cursor.
    pub is_key: bool,
    /// Whether it is kept.
    pub is_locked: bool,
}

/// How the tokens are drawn.
pub fn word_marks(readings: &[Reading], key: Option<usize>, locked: Option<usize>) -> Vec<WordMark> {
    let percent = |weight: f32| 2 * (weight * 50.0).round() as u8;
    let mark = |(pos, reading): (usize, &Reading)| WordMark {
        reads_percent: percent(reading.reads),
        read_by_percent: percent(reading.read_by),
        is_query: reading.is_query,
        is_key: key == Some(pos),
        is_locked: locked == Some(pos),
    };
    readings.iter().enumerate().map(mark).collect()
}

/// A query and the key that it looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The query's position.
    pub q: usize,
    /// The key's position.
    pub k: usize,
    /// The attention, or the score.
    pub value: f32,
}

/// Every token as seen from position `pos`. Weights are values, not places on a scale; scores before
/// the softmax are no weights, so pass a map of attention.
pub fn readings(map: &Heatmap, pos: usize) -> Vec<Reading> {
    let weight = |q: usize, k: usize| match map.cell(q, k) {
        Cell::Value(value) => value.clamp(0.0, 1.0),
        Cell::Hidden(_) | Cell::Masked => 0.0,
    };
    (0..map.n)
        .map(|other| Reading {
            is_query: other == pos,
            reads: weight(pos, other),
            read_by: if other == pos { 0.0 } else { weight(other, pos) },
        })
        .collect()
}

/// The `n` largest drawn values, largest first; of equals, the earlier query.
pub fn strongest(map: &Heatmap, n: usize) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::with_capacity(n + 1);
    for (q, k, value) in map.drawn() {
        // Most cells lie below what is kept already: no sorting of a whole matrix under the pointer.
        let is_kept = pairs.len() < n || pairs.last().is_some_and(|least| least.value < value);
        if 0.0 < value && is_kept {
            let idx = pairs.partition_point(|pair| value <= pair.value);
            pairs.insert(idx, Pair { q, k, value });
            pairs.truncate(n);
        }
    }
    pairs
}

/// The key that query `q` looks at most.
pub fn strongest_key(map: &Heatmap, q: usize) -> Option<usize> {
    let values = (0..=q).filter_map(|k| match map.cell(q, k) {
        Cell::Value(value) => Some((k, value)),
        Cell::Hidden(_) | Cell::Masked => None,
    });
    values.reduce(|best, next| if best.1 < next.1 { next } else { best }).map(|(k, _)| k)
}

/// "‘·fox’ (7) attends 0.910 to ‘·brown’ (3)"
pub fn pair_sentence(pair: Pair, quantity: Quantity, tokens: &[TokenText]) -> String {
    let Pair { q, k, value } = pair;
    let (query, key) = (tokens[q].quoted(), tokens[k].quoted());
    match quantity {
        Quantity::Attention => format!("{query} ({q}) attends {} to {key} ({k})", number::prob(value)),
        Quantity::Score => format!("{query} ({q}) scores {} against {key} ({k})", number::nats(value)),
    }
}

/// A cell in words: "query 7 ‘·Mary’ → key 3 ‘·John’, attention 0.412".
pub fn cell_sentence(map: &Heatmap, tokens: &[TokenText], q: usize, k: usize) -> String {
    let name = format!("query {q} {} → key {k} {}", tokens[q].quoted(), tokens[k].quoted());
    let value = |value: f32| match map.quantity {
        Quantity::Attention => format!("attention {}", number::prob(value)),
        Quantity::Score => format!("score {}", number::nats(value)),
    };
    match map.cell(q, k) {
        Cell::Value(number) => format!("{name}, {}", value(number)),
        Cell::Hidden(number) => format!("{name}, {} (position 0 is hidden)", value(number)),
        Cell::Masked => format!("{name}, masked: the key comes after the query"),
    }
}

/// What a query reads, in words: to be seen, and to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// "‘·Mary’ (7) reads ‘·John’ (3) 0.41, .."
    pub written: String,
    /// "Position 7, space Mary, reads space John at 3 with 0.41, .."
    pub spoken: String,
}

/// What the query at `pos` reads: its three strongest keys.
pub fn told(map: &Heatmap, tokens: &[TokenText], pos: usize) -> Told {
    let mut keys: Vec<(usize, f32)> = (0..=pos)
        .filter_map(|k| match map.cell(pos, k) {
            Cell::Value(value) => Some((k, value)),
            Cell::Hidden(_) | Cell::Masked => None,
        })
        .filter(|(_, value)| LEAST_TOLD <= *value)
        .collect();
    keys.sort_by(|a, b| b.1.total_cmp(&a.1));
    keys.truncate(3);
    let list = |of: fn(&TokenText, usize, f32) -> String| {
        let keys: Vec<String> = keys.iter().map(|(k, value)| of(&tokens[*k], *k, *value)).collect();
        if keys.is_empty() { format!("no shown token above {LEAST_TOLD}") } else { keys.join(", ") }
    };
    let written = list(|token, k, value| format!("{} ({k}) {value:.2}", token.quoted()));
    let spoken = list(|token, k, value| format!("{} at {k} with {value:.2}", token.spoken));
    Told {
        written: format!("{} ({pos}) reads {written}", tokens[pos].quoted()),
        spoken: format!("Position {pos}, {}, reads {spoken}", tokens[pos].spoken),
    }
}

/// A head's summary, a line a pair, ready to be pasted.
pub fn summary(map: &Heatmap, tokens: &[TokenText], n: usize) -> String {
    let lines: Vec<String> = strongest(map, n)
        .into_iter()
        .map(|pair| format!("· {}", pair_sentence(pair, map.quantity, tokens)))
        .collect();
    format!("{} ({})\n{}", super::head_grid::name(map.head), map.hook(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        prompt::Token,
        view_model::{
            heatmap::{
                FirstKey,
                tests::{map, pattern},
            },
            token_strip::token_text,
        },
    };

    fn tokens(words: &[&str]) -> Vec<TokenText> {
        let token =
            |text: &&str| Token { id: 1, text: Some((*text).to_owned()), bytes: None, is_special: false };
        words.iter().map(|word| token_text(&token(word))).collect()
    }

    #[test]
    fn one_token_reads_and_is_read() {
        let previous = map(&pattern(4, 0.25, |q| q.saturating_sub(1)), FirstKey::Hidden);
        let readings = readings(&previous, 2);
        assert_eq!(readings[1], Reading { is_query: false, reads: 0.75, read_by: 0.0 });
        assert_eq!(readings[2], Reading { is_query: true, reads: 0.0, read_by: 0.0 });
        assert_eq!(readings[3], Reading { is_query: false, reads: 0.0, read_by: 0.75 });
        assert_eq!(readings[0].reads, 0.0); // Hidden.
        let marks = word_marks(&readings, Some(1), Some(3));
        assert_eq!((marks[1].reads_percent, marks[3].read_by_percent), (76, 76));
        assert!(marks[2].is_query && marks[1].is_key && marks[3].is_locked);
        assert_eq!(marks[0], WordMark::default());
    }

    #[test]
    fn sentences_name_axes_tokens_and_unit() {
        let words = tokens(&["The", " fox", " ran", "\n"]);
        let previous = map(&pattern(4, 0.25, |q| q.saturating_sub(1)), FirstKey::Hidden);
        let cell = |q, k| cell_sentence(&previous, &words, q, k);
        assert_eq!(cell(2, 1), "query 2 ‘·ran’ → key 1 ‘·fox’, attention 0.750");
        assert_eq!(cell(2, 0), "query 2 ‘·ran’ → key 0 ‘The’, attention 0.250 (position 0 is hidden)");
        assert_eq!(cell(1, 3), "query 1 ‘·fox’ → key 3 ‘↵’, masked: the key comes after the query");
        let Told { written, spoken } = told(&previous, &words, 3);
        assert_eq!(spoken, "Position 3, newline, reads space ran at 2 with 0.75");
        assert_eq!(written, "‘↵’ (3) reads ‘·ran’ (2) 0.75");
        assert_eq!(told(&previous, &words, 1).written, "‘·fox’ (1) reads no shown token above 0.05");
        assert_eq!(
            summary(&previous, &words, 1),
            "Layer 1 head 3 (blocks.1.attn.hook_pattern)\n· ‘·ran’ (2) attends 0.750 to ‘·fox’ (1)"
        );
    }

    #[test]
    fn the_strongest_come_first_and_zeros_never() {
        let previous = map(&pattern(3, 0.25, |q| q.saturating_sub(1)), FirstKey::Hidden);
        assert_eq!(strongest(&previous, 9), [Pair { q: 2, k: 1, value: 0.75 }]);
        let longer = map(&pattern(6, 0.25, |q| q.saturating_sub(1)), FirstKey::Hidden);
        let queries: Vec<usize> = strongest(&longer, 3).into_iter().map(|pair| pair.q).collect();
        assert_eq!(queries, [2, 3, 4]);
        assert_eq!((strongest_key(&longer, 4), strongest_key(&longer, 0)), (Some(3), None));
    }
}
