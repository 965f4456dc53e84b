//! Checks of an artifact's content: size, secrets, templates and schemas that compile, includes without cycles.
//! Knows nothing of the shapes that secrets have.

use crate::{
    bundle::{Contents, Library},
    check::Parser,
    entity::{
        ArtifactDoc, ArtifactRef, Content, DatasetContent, ModelContent, SamplingContent, TaxonomyContent,
    },
    limits::{
        ARTIFACT_BYTES_MAX, CASE_MESSAGES_MAX, CATEGORY_EXAMPLES_MAX, DATASET_BYTES_MAX, DATASET_CASES_MAX,
        TAXONOMY_CATEGORIES_MAX,
    },
    lint::private,
    render::Template,
    snapshot::Snapshot,
};

/// Checks what a content can be checked for alone.
pub fn content(content: &Content) -> Result<(), String> {
    let bytes = serde_json::to_vec(&content.to_value()).map_or(usize::MAX, |bytes| bytes.len());
    let bytes_max =
        if matches!(content, Content::Dataset(_)) { DATASET_BYTES_MAX } else { ARTIFACT_BYTES_MAX };
    if bytes > bytes_max {
        return Err(format!("content has {bytes} bytes: publish at most {bytes_max}"));
    }
    if let Some(what) = private::secret(&content.to_value()) {
        return Err(format!(
            "content holds what looks like {what}: take it out, secrets stay in the server's configuration"
        ));
    }
    match content {
        Content::Model(model) => check_model(model),
        Content::Sampling(sampling) => check_sampling(sampling),
        Content::OutputParser(parser) => Parser::compile(parser).map(|_| ()),
        Content::Retrieval(retrieval) if retrieval.top_k == 0 => {
            Err("top_k is 0: ask for at least one document".into())
        }
        Content::Rubric(rubric) if rubric.instructions.trim().is_empty() => {
            Err("instructions are empty".into())
        }
        Content::SystemPrompt(_) | Content::PromptTemplate(_) => Ok(()),
        Content::Retrieval(_) | Content::Tools(_) | Content::Rubric(_) => Ok(()),
        Content::Taxonomy(taxonomy) => check_taxonomy(taxonomy),
        Content::Dataset(dataset) => check_dataset(dataset),
    }
}

/// Refuses what looks like a person's data in texts that go to models and judges, and in what was recorded of people.
pub fn personal(content: &Content) -> Result<(), String> {
    let found = match content {
        Content::SystemPrompt(_)
        | Content::PromptTemplate(_)
        | Content::Rubric(_)
        | Content::Taxonomy(_)
        | Content::Dataset(_) => private::personal(&content.to_value()),
        Content::Model(_)
        | Content::Sampling(_)
        | Content::Retrieval(_)
        | Content::Tools(_)
        | Content::OutputParser(_) => None,
    };
    found.map_or(Ok(()), |what| {
        Err(format!(
            "content holds what looks like {what}: take it out, or publish with \"personal_data\": \"intended\" if it belongs there"
        ))
    })
}

fn check_taxonomy(taxonomy: &TaxonomyContent) -> Result<(), String> {
    let count = taxonomy.categories.len();
    if count == 0 || count > TAXONOMY_CATEGORIES_MAX {
        return Err(format!("categories: {count}, use 1 to {TAXONOMY_CATEGORIES_MAX}"));
    }
    for (key, category) in &taxonomy.categories {
        if category.description.trim().is_empty() {
            return Err(format!("categories.{key}.description is empty: say what belongs to it"));
        }
        let examples = category.examples.len();
        if examples > CATEGORY_EXAMPLES_MAX {
            return Err(format!(
                "categories.{key}.examples: {examples}, use at most {CATEGORY_EXAMPLES_MAX}"
            ));
        }
        if category.examples.iter().any(|example| example.trim().is_empty()) {
            return Err(format!("categories.{key}.examples: one is empty: take it out"));
        }
    }
    Ok(())
}

fn check_dataset(dataset: &DatasetContent) -> Result<(), String> {
    const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
    let count = dataset.cases.len();
    if count == 0 || count > DATASET_CASES_MAX {
        return Err(format!("cases: {count}, use 1 to {DATASET_CASES_MAX}"));
    }
    for (at, case) in dataset.cases.iter().enumerate() {
        let messages = case.messages.len();
        if messages == 0 || messages > CASE_MESSAGES_MAX {
            return Err(format!("cases[{at}].messages: {messages}, use 1 to {CASE_MESSAGES_MAX}"));
        }
        let role = |message: &serde_json::Value| {
            message.get("role").and_then(|role| role.as_str().map(str::to_owned))
        };
        let strange = case
            .messages
            .iter()
            .position(|message| role(message).is_none_or(|role| !ROLES.contains(&role.as_str())));
        if let Some(strange) = strange {
            let roles = ROLES.join(", ");
            return Err(format!("cases[{at}].messages[{strange}].role is none of {roles}"));
        }
        if case.messages.last().and_then(role).as_deref() != Some("user") {
            return Err(format!(
                "cases[{at}].messages: the last one is the user's, whose answer is looked at"
            ));
        }
    }
    Ok(())
}

fn check_model(model: &ModelContent) -> Result<(), String> {
    if model.model.trim().is_empty() {
        return Err("model is empty: name the model as its provider does".into());
    }
    let prices = [
        Some(model.input_micro_usd_per_million),
        model.cached_micro_usd_per_million,
        Some(model.output_micro_usd_per_million),
    ];
    if prices.into_iter().flatten().any(|price| price.0 < 0) {
        return Err("a price is below 0".into());
    }
    Ok(())
}

fn check_sampling(sampling: &SamplingContent) -> Result<(), String> {
    let bounds = [
        ("temperature", sampling.temperature, 0.0, 2.0),
        ("top_p", sampling.top_p, 0.0, 1.0),
        ("presence_penalty", sampling.presence_penalty, -2.0, 2.0),
        ("frequency_penalty", sampling.frequency_penalty, -2.0, 2.0),
    ];
    for (name, value, low, high) in bounds {
        if value.is_some_and(|value| !(low..=high).contains(&value)) {
            return Err(format!("{name} is outside {low} to {high}"));
        }
    }
    const OWNED: [&str; 4] = ["model", "messages", "stream", "tools"];
    if let Some(name) = sampling.extra.keys().find(|name| OWNED.contains(&name.as_str())) {
        return Err(format!("extra.{name} belongs to another layer or to the request"));
    }
    if sampling.max_tokens == Some(0) {
        return Err("max_tokens is 0: leave it out or allow at least one".into());
    }
    Ok(())
}

/// Compiles a template with everything that it includes: a cycle, a missing version or an undeclared variable shows here.
pub fn includes(
    reference: &ArtifactRef,
    content: &Content,
    snapshot: &Snapshot,
    contents: &Contents,
) -> Result<(), String> {
    let (Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt)) = content else { return Ok(()) };
    let shelf = NewVersion { reference, content, snapshot, contents };
    Template::compile(reference, prompt, &shelf).map(|_| ()).map_err(|refused| refused.to_string())
}

/// The library as it will be once the new version is in it.
struct NewVersion<'a> {
    reference: &'a ArtifactRef,
    content: &'a Content,
    snapshot: &'a Snapshot,
    contents: &'a Contents,
}

impl Library for NewVersion<'_> {
    fn artifact(&self, reference: &ArtifactRef) -> Option<&ArtifactDoc> {
        self.snapshot.artifact(reference)
    }

    fn content(&self, reference: &ArtifactRef) -> Result<Content, String> {
        if reference == self.reference {
            return Ok(self.content.clone());
        }
        let doc = self.snapshot.artifact(reference).ok_or_else(|| format!("{reference} does not exist"))?;
        self.contents.read(doc.artifact_kind, &doc.content)
    }
}
