//! The matrix as the model computed it: nothing hidden, nothing rounded.

use crate::view_model::{heatmap::Heatmap, token_strip::TokenText};

/// A header of keys, then a row a query: its position and token, then one number a key.
/// Numbers read back to the same f32; a masked cell is empty.
pub fn matrix_csv(map: &Heatmap, tokens: &[TokenText]) -> String {
    let name = |pos: usize| field(&format!("{pos} {}", tokens[pos].glyphs()));
    let mut csv = String::from("query \\ key");
    for k in 0..map.n {
        csv.push(',');
        csv.push_str(&name(k));
    }
    csv.push_str("\r\n");
    for q in 0..map.n {
        csv.push_str(&name(q));
        for k in 0..map.n {
            csv.push(',');
            if let Some(value) = map.value(q, k) {
                csv.push_str(&value.to_string());
            }
        }
        csv.push_str("\r\n");
    }
    csv
}

/// A field, quoted where it must be (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
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

    /// Reads RFC 4180, for the round trip only.
    fn read(csv: &str) -> Vec<Vec<String>> {
        let mut rows = vec![vec![String::new()]];
        let mut is_quoted = false;
        let mut chars = csv.chars().peekable();
        while let Some(c) = chars.next() {
            let row = rows.last_mut().expect("never empty");
            match c {
                '"' if is_quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    row.last_mut().expect("never empty").push('"');
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => row.push(String::new()),
                '\n' if !is_quoted => rows.push(vec![String::new()]),
                '\r' if !is_quoted => {}
                _ => row.last_mut().expect("never empty").push(c),
            }
        }
        rows.pop();
        rows
    }

    #[test]
    fn a_matrix_reads_back_bit_by_bit() {
        let words = [",", "\"", " fox", "\n"];
        let tokens: Vec<TokenText> = words
            .iter()
            .map(|text| {
                token_text(&Token { id: 1, text: Some((*text).to_owned()), bytes: None, is_special: false })
            })
            .collect();
        let map = map(&pattern(4, 1.0 / 3.0, |q| q), FirstKey::Hidden);
        let rows = read(&matrix_csv(&map, &tokens));
        assert_eq!(rows[0], ["query \\ key", "0 ,", "1 \"", "2 ·fox", "3 ↵"]);
        for q in 0..4 {
            assert_eq!(rows[q + 1][0], rows[0][q + 1]);
            for k in 0..4 {
                assert_eq!(rows[q + 1][k + 1].parse().ok(), map.value(q, k), "{q} {k}");
            }
        }
    }
}
