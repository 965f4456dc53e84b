//! Who is asking: the session or task, the user, and attributes, bounded on entry.
//! Knows nothing of flags; stores nothing (raw ids stay in the request that brought them).

use serde_json::Value;

use crate::{
    entity::BucketBy,
    limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, UNIT_BYTES_MAX},
    units::Timestamp,
};

/// Why a context was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContext {
    /// An id that is empty or too long.
    #[error("{what} id has {bytes} bytes: use 1 to {UNIT_BYTES_MAX}")]
    Id {
        /// Whose.
        what: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// Too many attributes.
    #[error("context has {0} attributes: send at most {ATTRIBUTES_MAX}")]
    TooMany(usize),
    /// A text that is too long.
    #[error("attribute \"{0}\" is longer than {ATTRIBUTE_BYTES_MAX} bytes: send a shorter one")]
    TooLong(String),
}

/// Attributes by name, sorted, so that looking one up needs no hashing and no allocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Vec<(Box<str>, Value)>);

impl Attributes {
    /// Checks the bounds; of attributes with one name the last stands.
    pub fn new(given: impl IntoIterator<Item = (String, Value)>) -> Result<Self, InvalidContext> {
        let mut sorted = std::collections::BTreeMap::new();
        for (name, value) in given {
            let long = |text: &str| text.len() > ATTRIBUTE_BYTES_MAX;
            if long(&name) || value.as_str().is_some_and(long) {
                return Err(InvalidContext::TooLong(name.chars().take(80).collect()));
            }
            sorted.insert(name, value);
        }
        if sorted.len() > ATTRIBUTES_MAX {
            return Err(InvalidContext::TooMany(sorted.len()));
        }
        Ok(Self(sorted.into_iter().map(|(name, value)| (name.into(), value)).collect()))
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The attribute of this name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        // A handful is looked through faster than it is searched: most names differ in length already.
        if self.0.len() <= 16 {
            return self.0.iter().find(|(have, _)| **have == *name).map(|(_, value)| value);
        }
        self.0.binary_search_by(|(have, _)| have.as_ref().cmp(name)).ok().map(|at| &self.0[at].1)
    }
}

/// Who is asking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// The session or task that a pin belongs to.
    pub session: Option<Box<str>>,
    /// The user.
    pub user: Option<Box<str>>,
    /// What rules may look at.
    pub attributes: Attributes,
    /// When, for expressions that look at the time; the edge's word, since there is no clock here.
    pub now: Option<Timestamp>,
}

impl Context {
    /// Checks the bounds of the ids.
    pub fn new(
        session: Option<&str>,
        user: Option<&str>,
        attributes: Attributes,
    ) -> Result<Self, InvalidContext> {
        let id = |what, id: Option<&str>| match id {
            Some(id) if id.is_empty() || id.len() > UNIT_BYTES_MAX => {
                Err(InvalidContext::Id { what, bytes: id.len() })
            }
            id => Ok(id.map(Box::from)),
        };
        Ok(Self { session: id("session", session)?, user: id("user", user)?, attributes, now: None })
    }

    /// The same, asking at a time.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now: Some(now), ..self }
    }

    /// The unit that is randomised.
    pub fn unit(&self, by: BucketBy) -> Option<&str> {
        match by {
            BucketBy::User => self.user.as_deref().or(self.session.as_deref()),
            BucketBy::Session => self.session.as_deref(),
        }
    }
}
