//! The published form of questions, answers and interventions: assets/schema is what the types say.
//!
//! `UPDATE_SCHEMA=1 cargo test --test it schema` writes it anew; never in CI.

use std::fs;

use vitrine::{
    analysis::{Answer, Question},
    intervention::Intervention,
};

use crate::support::{bytes, path};

/// As `vitrine schema` prints it.
fn pretty(schema: &schemars::Schema) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is JSON");
    text.push('\n');
    text
}

fn check(name: &str, schema: &schemars::Schema) {
    let file = format!("assets/schema/{name}.json");
    let want = pretty(schema);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        assert!(std::env::var_os("CI").is_none(), "a schema is never blessed in CI");
        fs::create_dir_all(path("assets/schema")).expect("assets can be written");
        fs::write(path(&file), &want).expect("assets can be written");
    }
    let got = fs::read_to_string(path(&file)).unwrap_or_default();
    assert!(got == want, "{file} is not what the types say; UPDATE_SCHEMA=1 writes it anew");
}

#[test]
fn the_schema_of_questions_is_published() {
    check("question", &schemars::schema_for!(Question));
}

#[test]
fn the_schema_of_answers_is_published() {
    check("answer", &schemars::schema_for!(Answer));
}

#[test]
fn the_schema_of_interventions_is_published() {
    check("interventions", &schemars::schema_for!(Vec<Intervention>));
}

#[test]
fn stored_questions_are_questions() {
    let mut n_read = 0;
    for entry in fs::read_dir(path("assets/stored")).expect("assets/stored is there") {
        let name = entry.expect("can be listed").file_name().to_string_lossy().into_owned();
        if !name.ends_with(".question.json") {
            continue;
        }
        let read = |json: &[u8]| -> Question {
            serde_json::from_slice(json).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let question = read(&bytes(&format!("assets/stored/{name}")));
        let again = serde_json::to_vec(&question).expect("a question is JSON");
        assert_eq!(read(&again), question, "{name}");
        n_read += 1;
    }
    assert!(n_read > 0, "assets/stored holds no question");
}
