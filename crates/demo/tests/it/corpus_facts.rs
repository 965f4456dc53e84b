//! The facts that the demo's story stands on, computed from the embedded corpus. Knows nothing of HTTP.

use serinus_demo::corpus::Prompt;
use serinus_demo::pace::Profiles;

use crate::upstream::{GPT_4O, GPT_4O_MINI, model, recordings};

fn pass_share(name: &str, of: impl Fn(&Prompt) -> bool) -> f64 {
    let recordings = recordings();
    let prompts: Vec<_> = recordings.corpus.prompts().filter(|(_, prompt)| of(prompt)).collect();
    let passed =
        |(index, _): &&(_, &Prompt)| recordings.corpus.answer(*index, model(name)).unwrap().checks.strict;
    prompts.iter().filter(passed).count() as f64 / prompts.len() as f64
}

fn check(name: &str, category: Option<&str>, expected: f64) {
    let share = pass_share(name, |prompt| category.is_none_or(|category| category == prompt.category));
    assert!((share - expected).abs() < 0.0005, "{name} {category:?}: {share:.4}, expected {expected}");
}

#[test]
fn the_cheaper_model_loses_in_one_category_only() {
    check(GPT_4O, None, 0.838);
    check(GPT_4O_MINI, None, 0.829);
    check(GPT_4O, Some("keywords"), 0.836);
    check(GPT_4O_MINI, Some("keywords"), 0.691);
    check("qwen2.5-7b-instruct-int4", None, 0.732);
    check("qwen2.5-1.5b-instruct-int4", None, 0.338);
}

#[test]
fn the_corpus_is_whole() {
    let corpus = &recordings().corpus;
    assert_eq!(corpus.prompts().len(), 328);
    assert_eq!(corpus.models().len(), 6);
    assert_eq!(corpus.categories().len(), 9);
    for (prompt, _) in corpus.prompts() {
        for (model, name) in corpus.models() {
            let answer = corpus.answer(prompt, model).unwrap_or_else(|| panic!("{name} lacks an answer"));
            let instructions = corpus.prompt(prompt).instructions.len();
            assert_eq!(answer.checks.each.len(), instructions);
            assert_eq!(answer.checks.strict, answer.checks.each.iter().all(|met| *met));
        }
    }
}

#[test]
fn the_pieces_of_a_text_are_the_text() {
    let corpus = &recordings().corpus;
    for (prompt, _) in corpus.prompts() {
        for (model, _) in corpus.models() {
            let answer = corpus.answer(prompt, model).unwrap();
            let pieces = (0..).map_while(|index| answer.speech.piece(index));
            let joined: String = pieces
                .map(|(escaped, _)| serde_json::from_str::<String>(&format!("\"{escaped}\"")).unwrap())
                .collect();
            assert_eq!(joined, answer.text);
        }
    }
}

#[test]
fn the_cheaper_model_is_no_slower() {
    let profiles = Profiles::embedded().unwrap();
    let p95_ms = |name: &str| {
        let profile = profiles.named(&profiles.models[name]).unwrap();
        let mut totals = Vec::new();
        for nth in 0..4_000 {
            let mut rng = serinus_demo::chance::rng(5, serinus_demo::chance::Purpose::Answer, [0, 0, nth]);
            totals.push(profile.pace(&mut rng, 1.0).total(335).as_millis());
        }
        totals.sort_unstable();
        totals[3_800] as f64
    };
    assert!(p95_ms(GPT_4O_MINI) < 1.1 * p95_ms(GPT_4O));
}
