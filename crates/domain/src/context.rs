//! Who is asking: the session or task, the user, and attributes, bounded on entry.
//! Knows nothing of flags; stores nothing (raw ids stay in the request that brought them).

use std::borrow::Cow;

use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    entity::BucketBy,
    limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, UNIT_BYTES_MAX},
    text::Text,
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

/// What an attribute is. Texts, which are most, stand in place.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// A text.
    Text(Text),
    /// Anything else; never a text.
    Other(Value),
}

impl AttributeValue {
    /// The text, where it is one.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }

    /// As JSON.
    pub fn to_value(&self) -> Cow<'_, Value> {
        match self {
            Self::Text(text) => Cow::Owned(Value::from(text.as_str())),
            Self::Other(value) => Cow::Borrowed(value),
        }
    }
}

impl From<&str> for AttributeValue {
    #[inline]
    fn from(text: &str) -> Self {
        Self::Text(Text::from(text))
    }
}

impl From<Value> for AttributeValue {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::from(text.as_str()),
            value => Self::Other(value),
        }
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Other(value.into())
    }
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        Self::Other(value.into())
    }
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        Self::Other(value.into())
    }
}

/// Attributes by name, sorted, so that looking one up needs no hashing and no allocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(Vec<(Text, AttributeValue)>);

impl Attributes {
    /// Checks the bounds; of attributes with one name the last stands. Short texts may be borrowed: they are kept without an allocation.
    pub fn new<N: AsRef<str>, V: Into<AttributeValue>>(
        given: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidContext> {
        let given = given.into_iter();
        let mut sorted: Vec<(Text, AttributeValue)> =
            Vec::with_capacity(given.size_hint().0.min(ATTRIBUTES_MAX));
        let mut rises = true;
        for (name, value) in given {
            let (name, value) = (name.as_ref(), value.into());
            let long = |text: &str| text.len() > ATTRIBUTE_BYTES_MAX;
            if long(name) || value.as_str().is_some_and(long) {
                return Err(InvalidContext::TooLong(name.chars().take(80).collect()));
            }
            rises &= sorted.last().is_none_or(|(last, _)| last.as_str() < name);
            sorted.push((Text::from(name), value));
        }
        if !rises {
            // Stable, so that the last of a name follows the others of it.
            sorted.sort_by(|(one, _), (two, _)| one.cmp(two));
            sorted.dedup_by(|later, kept| {
                later.0 == kept.0 && {
                    std::mem::swap(later, kept);
                    true
                }
            });
        }
        if sorted.len() > ATTRIBUTES_MAX {
            return Err(InvalidContext::TooMany(sorted.len()));
        }
        Ok(Self(sorted))
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.find(&Text::from(name))
    }

    /// The attribute of a name that is asked for often.
    #[inline]
    pub fn find(&self, name: &Text) -> Option<&AttributeValue> {
        // A handful is looked through faster than it is searched.
        if self.0.len() <= 16 {
            return self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value);
        }
        self.0.binary_search_by(|(have, _)| have.cmp(name)).ok().map(|at| &self.0[at].1)
    }
}

/// Who is asking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// The session or task that a pin belongs to.
    pub session: Option<SmolStr>,
    /// The user.
    pub user: Option<SmolStr>,
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
            id => Ok(id.map(SmolStr::new)),
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
