//! A bundle ready to be served: one version per layer, read and compiled. Knows nothing of who is served it.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    check::Parser,
    digest::{Digest, canonical_json},
    entity::{
        ArtifactKind, ArtifactRef, Content, LayerKind, Layers, ModelContent, ParserContent, ParserFormat,
        RetrievalContent, SamplingContent, ToolsContent,
    },
    render::Template,
    resolve::ListKey,
};

/// A bundle's fingerprint: the first 16 bytes of the digest of its references.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId(pub u128);

impl BundleId {
    /// The fingerprint of a combination.
    pub fn of(layers: &Layers) -> Self {
        let digest = Digest::of(&canonical_json(layers)).0;
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(first))
    }

    /// The first four hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..4].to_owned()
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for BundleId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != 32 {
            return Err("a bundle's fingerprint is 32 hexadecimal digits".into());
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| "a bundle's fingerprint is 32 hexadecimal digits".into())
    }
}

impl Serialize for BundleId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BundleId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The contents that a compilation may need, by digest. Filled by the edge before it compiles.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Contents of artifacts and lists of people.
    pub held: HashMap<Digest, Arc<serde_json::Value>>,
    /// The key of the lists; without it nobody stands in one.
    pub list_key: Option<ListKey>,
}

impl Contents {
    /// Reads the content of a version.
    pub fn read(&self, kind: ArtifactKind, digest: &Digest) -> Result<Content, String> {
        let value =
            self.held.get(digest).ok_or_else(|| format!("content {} is not held here", digest.short()))?;
        Content::parse(kind, value)
    }
}

/// A bundle ready to be served.
#[derive(Debug)]
pub struct Bundle {
    /// Its fingerprint.
    pub id: BundleId,
    /// Its references.
    pub layers: Layers,
    /// Which model, where, at which price.
    pub model: ModelContent,
    /// The system prompt.
    pub system_prompt: Option<Template>,
    /// The template around the user's message.
    pub prompt_template: Option<Template>,
    /// Sampling parameters.
    pub sampling: SamplingContent,
    /// The retriever.
    pub retrieval: Option<RetrievalContent>,
    /// Tools.
    pub tools: Option<ToolsContent>,
    /// How the answer is read.
    pub parser: Parser,
}

/// Why a combination is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    /// A bundle cannot be served without this layer.
    #[error("bundle has no {0}: name a version of one")]
    Missing(LayerKind),
    /// A reference of the wrong kind.
    #[error("layer {layer} is given {reference}: name a version of kind {layer}")]
    WrongKind {
        /// The layer.
        layer: LayerKind,
        /// What was given.
        reference: ArtifactRef,
    },
    /// A reference to nothing.
    #[error("{0} does not exist: publish it first, or name another version")]
    Unknown(ArtifactRef),
    /// A version whose content was removed for good.
    #[error("{0} was redacted: its content is gone, so name another version")]
    Redacted(ArtifactRef),
    /// A version that was put away, in a combination that is new.
    #[error(
        "{0} is archived: name another version, or take it back with `serinus artifact archive {0} --undo`"
    )]
    Archived(ArtifactRef),
    /// A need that the bundle does not meet.
    #[error("{by} requires {needs}, and the bundle has {have}: choose versions that fit together")]
    Requires {
        /// Who needs it.
        by: ArtifactRef,
        /// What.
        needs: String,
        /// What there is.
        have: String,
    },
    /// A content that cannot be read or compiled.
    #[error("{reference}: {reason}")]
    Content {
        /// Which.
        reference: ArtifactRef,
        /// Why.
        reason: String,
    },
}

/// Where `Bundle::assemble` finds versions and their contents.
pub trait Library {
    /// A version's document.
    fn artifact(&self, reference: &ArtifactRef) -> Option<&crate::entity::ArtifactDoc>;
    /// A version's content.
    fn content(&self, reference: &ArtifactRef) -> Result<Content, String>;
}

impl Bundle {
    /// Every version that it is made of: its layers, and what their texts include.
    pub fn versions(&self) -> impl Iterator<Item = &ArtifactRef> {
        let texts = [&self.system_prompt, &self.prompt_template].into_iter().flatten();
        self.layers.0.values().chain(texts.flat_map(Template::includes))
    }

    /// Reads, checks and compiles a combination.
    pub fn assemble(layers: &Layers, library: &dyn Library) -> Result<Self, InvalidBundle> {
        check_references(layers, library)?;
        let read = |kind: LayerKind| -> Result<Option<(ArtifactRef, Content)>, InvalidBundle> {
            let Some(reference) = layers.get(kind) else { return Ok(None) };
            let content = library
                .content(reference)
                .map_err(|reason| InvalidBundle::Content { reference: reference.clone(), reason })?;
            Ok(Some((reference.clone(), content)))
        };
        let template = |read: Option<(ArtifactRef, Content)>| match read {
            Some((reference, Content::SystemPrompt(prompt) | Content::PromptTemplate(prompt))) => {
                Template::compile(&reference, &prompt, library)
                    .map(Some)
                    .map_err(|reason| InvalidBundle::Content { reference, reason: reason.to_string() })
            }
            _ => Ok(None),
        };
        let Some((_, Content::Model(model))) = read(LayerKind::Model)? else {
            return Err(InvalidBundle::Missing(LayerKind::Model));
        };
        let (parser_ref, parser) = match read(LayerKind::OutputParser)? {
            Some((reference, Content::OutputParser(parser))) => (Some(reference), parser),
            _ => (
                None,
                ParserContent {
                    format: ParserFormat::Text,
                    chars_min: None,
                    chars_max: None,
                    strip_fence: false,
                },
            ),
        };
        let parser = Parser::compile(&parser).map_err(|reason| InvalidBundle::Content {
            reference: parser_ref.unwrap_or_else(|| layers.0[&LayerKind::Model].clone()),
            reason,
        })?;
        Ok(Self {
            id: BundleId::of(layers),
            layers: layers.clone(),
            model,
            system_prompt: template(read(LayerKind::SystemPrompt)?)?,
            prompt_template: template(read(LayerKind::PromptTemplate)?)?,
            sampling: match read(LayerKind::Sampling)? {
                Some((_, Content::Sampling(sampling))) => sampling,
                _ => SamplingContent::default(),
            },
            retrieval: match read(LayerKind::Retrieval)? {
                Some((_, Content::Retrieval(retrieval))) => Some(retrieval),
                _ => None,
            },
            tools: match read(LayerKind::Tools)? {
                Some((_, Content::Tools(tools))) => Some(tools),
                _ => None,
            },
            parser,
        })
    }
}

fn check_references(layers: &Layers, library: &dyn Library) -> Result<(), InvalidBundle> {
    for (layer, reference) in &layers.0 {
        if reference.kind != ArtifactKind::Layer(*layer) {
            return Err(InvalidBundle::WrongKind { layer: *layer, reference: reference.clone() });
        }
        let doc = library.artifact(reference).ok_or_else(|| InvalidBundle::Unknown(reference.clone()))?;
        if doc.redacted {
            return Err(InvalidBundle::Redacted(reference.clone()));
        }
        for need in &doc.requires {
            let ArtifactKind::Layer(kind) = need.kind else { continue };
            let have = layers.get(kind);
            let met = have.is_some_and(|have| {
                have.version >= need.version_min && need.name.as_ref().is_none_or(|name| *name == have.name)
            });
            if !met {
                let have = have.map_or_else(|| format!("no {kind}"), ToString::to_string);
                return Err(InvalidBundle::Requires { by: reference.clone(), needs: need.to_string(), have });
            }
        }
    }
    Ok(())
}
