//! A failure's message as a sentence of its own.

/// `message` with a capital and a full stop. Names keep their letters: `config.json`, `tales-4l`, tensors in backticks.
pub fn sentence(message: &str) -> String {
    let (first, rest) = message.split_once(' ').unwrap_or((message, ""));
    let is_plain_word = first.trim_end_matches([',', ':']).chars().all(|c| c.is_ascii_lowercase());
    let mut text = if is_plain_word && !first.is_empty() {
        first[..1].to_uppercase() + &first[1..]
    } else {
        first.to_owned()
    };
    if !rest.is_empty() {
        text = text + " " + rest;
    }
    if !text.is_empty() && !text.ends_with(['.', '!', '?', ':', '…']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn words_get_a_capital_and_names_keep_theirs() {
        for (message, want) in [
            ("the prompt is empty", "The prompt is empty."),
            ("config.json does not say `n_head`", "config.json does not say `n_head`."),
            ("tales-4l did not load: 404", "tales-4l did not load: 404."),
            ("`x` is unknown.", "`x` is unknown."),
            ("stopped", "Stopped."),
            ("", ""),
        ] {
            assert_eq!(sentence(message), want);
        }
    }
}
