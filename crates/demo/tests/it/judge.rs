//! The recorded judge tells the truth, or lies as often as it is told to. Knows nothing of rollouts.

use serde_json::Value;
use serinus_demo::corpus::{Answer, PromptIndex};
use serinus_demo::verdict::{Author, JudgeConfig};
use serinus_demo::{Recordings, ReplayConfig};

use crate::upstream::{GPT_4O, Upstream, content, prompt_text, quiet, recorded, recordings};

fn request(question: &str, answer: &str) -> String {
    format!(
        "Question:\n{question}\n\nAnswer:\n{answer}\n\nReply with JSON {{\"score\": 0..1, \"reason\": \"...\"}}"
    )
}

/// The judge's verdict on every recorded answer, asked by `ask`, is the recorded one.
fn check_all(ask: impl Fn(&str, &str) -> String) {
    let recordings: &Recordings = &recordings();
    for (prompt, asked) in recordings.corpus.prompts() {
        for (model, name) in recordings.corpus.models() {
            let answer: &Answer = recordings.corpus.answer(prompt, model).unwrap();
            let author = recordings.author_of_judged(&ask(&asked.text, &answer.text));
            let author = author.unwrap_or_else(|| panic!("{} {name}: not found", asked.id));
            assert_eq!(recordings.passed(author), answer.checks.strict, "{} {name}", asked.id);
        }
    }
}

#[test]
fn every_verdict_is_the_recorded_one() {
    check_all(request);
    check_all(|question, answer| request(&format!("Be kind.\n{question}"), &format!("  {answer}\n")));
}

#[test]
fn a_cut_answer_is_still_known() {
    let answer = recorded(0, GPT_4O);
    let half: String = answer.chars().take(answer.chars().count() / 2).collect();
    let author = recordings().author_of_judged(&request(&prompt_text(0), &half));
    let model = recordings().corpus.model(GPT_4O).unwrap();
    assert_eq!(author, Some(Author::Recorded { prompt: PromptIndex(0), model }));
    assert_eq!(recordings().author_of_judged(&request(&prompt_text(0), "something else")), None);
    assert_eq!(recordings().author_of_judged(&request(&prompt_text(0), " ")), Some(Author::Nobody));
}

#[tokio::test]
async fn the_reason_names_what_failed() {
    let recordings = recordings();
    let upstream = Upstream::start(quiet()).await;
    for (prompt, asked) in recordings.corpus.prompts().take(60) {
        let answer = recordings.corpus.answer(prompt, recordings.corpus.model(GPT_4O).unwrap()).unwrap();
        let reply = upstream.ask("recorded-judge", &request(&asked.text, &answer.text)).await;
        let verdict: Value = serde_json::from_str(&content(reply).await).unwrap();
        assert_eq!(verdict["score"], u64::from(answer.checks.strict));
        let reason = verdict["reason"].as_str().unwrap();
        let (failed, met) = reason.split_once("met ").unwrap_or((reason, ""));
        for (id, is_met) in asked.instructions.iter().zip(&answer.checks.each) {
            assert!(if *is_met { met } else { failed }.contains(id), "{}: {reason}", asked.id);
        }
    }
}

#[tokio::test]
async fn the_unknown_is_not_judged() {
    let upstream = Upstream::start(quiet()).await;
    let reply = upstream.ask("recorded-judge", &request("what?", "nothing recorded")).await;
    assert_eq!(reply.status(), 404);
}

#[tokio::test]
async fn a_judge_lies_and_rambles_as_often_as_told() {
    let judge = JudgeConfig { flip_share: 0.2, unparsable_share: 0.1, delay_ms: 0 };
    let upstream = Upstream::start(ReplayConfig { judge, ..quiet() }).await;
    let truth = u64::from(recordings().passed(Author::Recorded {
        prompt: PromptIndex(0),
        model: recordings().corpus.model(GPT_4O).unwrap(),
    }));
    let (mut unparsable, mut flipped) = (0, 0);
    for _ in 0..600 {
        let reply = upstream.ask("recorded-judge", &request(&prompt_text(0), &recorded(0, GPT_4O))).await;
        match serde_json::from_str::<Value>(&content(reply).await) {
            Ok(verdict) => flipped += u32::from(verdict["score"] != truth),
            Err(_) => unparsable += 1,
        }
    }
    assert!((35..90).contains(&unparsable), "{unparsable} of 600");
    assert!((70..150).contains(&flipped), "{flipped} of 600");
}
