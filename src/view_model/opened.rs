//! Models that were opened from disk on earlier visits, as rows of a list, and what to say where one cannot be opened
//! again.

use super::{markup::escape, number};

/// A model that was opened before. What it says comes from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Its number in the browser's list.
    pub id: f64,
    /// Names of its files, or of its folder.
    pub names: Vec<String>,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// What it was when it was opened.
    pub words: String,
    /// When that was, milliseconds since 1970.
    pub opened_millis: f64,
}

/// What to say of a folder without a model, and what to try.
pub const NO_MODEL: (&str, &str) = (
    "there is no file of a model here",
    "A model is config.json, model.safetensors and tokenizer.json: choose the folder that has them, not the one around it.",
);

const DAY_MILLIS: f64 = 86_400_000.0;

/// What is kept as the words of a model.
pub fn words(model_type: &str, n_layers: usize, n_params: u64) -> String {
    format!("{model_type}, {n_layers} layers, {} parameters", number::count(n_params))
}

/// The rows of the list, as HTML; a button has the number of its model in `data-again` or in `data-forget`.
pub fn rows(models: &[Opened], now_millis: f64) -> String {
    models.iter().map(|model| row(model, now_millis)).collect()
}

fn row(model: &Opened, now_millis: f64) -> String {
    let Opened { id, words, .. } = model;
    let name = escape(&name(model));
    let (words, when) = (escape(words), when(now_millis - model.opened_millis));
    format!(
        "<li><p class=\"curated-name\">{name}</p><p class=\"quiet num\">{words}; {when}</p>\
         <div class=\"opened-actions\">\
         <button type=\"button\" class=\"button\" data-again=\"{id}\" aria-label=\"Open again: {name}\">Open again</button>\
         <button type=\"button\" class=\"button\" data-forget=\"{id}\" aria-label=\"Forget: {name}\">Forget</button>\
         </div></li>"
    )
}

fn name(model: &Opened) -> String {
    match (model.is_folder, model.names.first()) {
        (true, Some(folder)) => format!("{folder} (a folder)"),
        (true | false, _) => model.names.join(", "),
    }
}

fn when(ago_millis: f64) -> String {
    match (ago_millis / DAY_MILLIS).max(0.0) as u64 {
        0 => "opened within the last day".to_owned(),
        1 => "opened a day ago".to_owned(),
        n_days => format!("opened {n_days} days ago"),
    }
}

/// Why something could not be opened, and what to try: for an error of the browser's by its name, with the file that it
/// is about.
pub fn refusal(error: &str, message: &str, file: Option<&str>) -> (String, &'static str) {
    let file = file.unwrap_or("one of the files");
    match error {
        "NotFoundError" => (
            format!("{file} is no longer where it was: it was moved, renamed or deleted"),
            "Choose the files where they are now; \"Forget\" takes this line away.",
        ),
        "NotAllowedError" | "SecurityError" => (
            format!("the browser was not allowed to read {file}"),
            "Press \"Open again\" and allow it when the browser asks, or choose the files anew.",
        ),
        "NotReadableError" => (
            format!("{file} cannot be read: another program has it open, or it is being changed"),
            "Close it there and press \"Open again\".",
        ),
        _ => (
            format!("the browser did not give {file}{}", in_brackets(message)),
            "Choose the files anew, or drop them on the page.",
        ),
    }
}

fn in_brackets(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

/// What to say of files that are not what they were when they were opened before; nothing if all are.
pub fn changed(names: &[String]) -> Option<(String, &'static str)> {
    let (is, names) = match names {
        [] => return None,
        [name] => ("has", name.clone()),
        names => ("have", names.join(", ")),
    };
    Some((
        format!("{names} {is} changed on disk since this model was opened before; it was read as it is now"),
        "Answers may differ from those of that time. If this is not what you meant, choose other files.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(names: &[&str], is_folder: bool) -> Opened {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Opened { id: 7.0, names, is_folder, words: words("gpt2", 12, 124_439_808), opened_millis: 0.0 }
    }

    #[test]
    fn a_row_says_what_it_is_and_when() {
        let html = rows(&[opened(&["config.json", "model.safetensors"], false)], 1.0);
        assert!(
            html.contains("config.json, model.safetensors</p>") && html.contains("gpt2, 12 layers"),
            "{html}"
        );
        assert!(html.contains("data-again=\"7\"") && html.contains("data-forget=\"7\""), "{html}");
        assert!(html.contains("within the last day"), "{html}");
        let html = rows(&[opened(&["tales", "config.json"], true)], 3.5 * DAY_MILLIS);
        assert!(html.contains("tales (a folder)</p>") && html.contains("3 days ago"), "{html}");
        assert!(rows(&[opened(&["a"], false)], 1.5 * DAY_MILLIS).contains("a day ago"));
        // A clock that was set back.
        assert!(rows(&[opened(&["a"], false)], -1e12).contains("within the last day"));
        assert_eq!(rows(&[], 0.0), "");
    }

    #[test]
    fn names_from_outside_are_text() {
        let mut model = opened(&["<img src=x onerror=alert(1)>\"&.json"], false);
        model.words = "<b>\"".to_owned();
        let html = rows(&[model], 0.0);
        assert!(!html.contains("<img") && !html.contains("<b>") && html.contains("&lt;img"), "{html}");
        assert!(
            html.contains("aria-label=\"Open again: &lt;img src=x onerror=alert(1)&gt;&quot;&amp;.json\""),
            "{html}"
        );
    }

    #[test]
    fn each_refusal_says_what_to_try() {
        for (error, words) in [
            ("NotFoundError", "moved, renamed or deleted"),
            ("NotAllowedError", "was not allowed to read w.safetensors"),
            ("SecurityError", "was not allowed"),
            ("NotReadableError", "cannot be read"),
            ("DataError", "(it broke)"),
        ] {
            let (what, hint) = refusal(error, "it broke", Some("w.safetensors"));
            assert!(what.contains(words) && what.contains("w.safetensors") && !hint.is_empty(), "{what}");
        }
        assert!(refusal("NotFoundError", "", None).0.starts_with("one of the files is no longer"));
    }

    #[test]
    fn what_changed_is_named() {
        let names = ["a.json".to_owned(), "b.json".to_owned()];
        assert_eq!(changed(&[]), None);
        assert!(changed(&names[..1]).is_some_and(|(what, _)| what.starts_with("a.json has changed")));
        assert!(changed(&names).is_some_and(|(what, _)| what.starts_with("a.json, b.json have changed")));
    }
}
