//! Names of things: one newtype per key, validated once on entry. Knows nothing of what the keys point at.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::limits::KEY_BYTES_MAX;

/// Why a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} \"{given}\" is not a valid key: use 1 to {KEY_BYTES_MAX} characters of A-Z a-z 0-9 . _ -")]
pub struct InvalidKey {
    /// What the key was meant to name.
    pub kind: &'static str,
    /// What was given, cut to a printable length.
    pub given: String,
}

fn valid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= KEY_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Variants come from other platforms too, where a name is any text; they stand in answers, never in a path.
fn printable(text: &str) -> bool {
    !text.is_empty() && text.len() <= KEY_BYTES_MAX && !text.chars().any(char::is_control)
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        key!($(#[$doc])* $name, $kind, valid);
    };
    ($(#[$doc:meta])* $name:ident, $kind:literal, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the alphabet and the length.
            pub fn new(text: &str) -> Result<Self, InvalidKey> {
                if $valid(text) {
                    return Ok(Self(text.into()));
                }
                Err(InvalidKey { kind: $kind, given: text.chars().take(80).collect() })
            }

            /// The key as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidKey;
            fn try_from(text: String) -> Result<Self, InvalidKey> {
                Self::new(&text)
            }
        }

        impl FromStr for $name {
            type Err = InvalidKey;
            fn from_str(text: &str) -> Result<Self, InvalidKey> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> String {
                key.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

key!(
    /// An isolated configuration and its data: `production`.
    EnvironmentKey,
    "environment"
);
key!(
    /// An LLM feature, also the model name at the gateway.
    FeatureKey,
    "feature"
);
key!(
    /// A plain flag.
    FlagKey,
    "flag"
);
key!(
    /// The name of an artifact within its kind: `support` in `system_prompt/support@7`.
    ArtifactName,
    "artifact"
);
key!(
    /// A rollout: `support-2`.
    RolloutKey,
    "rollout"
);
key!(
    /// A named bundle of a feature: `control`, `candidate`, or one of its own variants.
    VariantKey,
    "variant",
    printable
);
key!(
    /// A notification channel; its secret lives elsewhere.
    ChannelKey,
    "channel"
);
key!(
    /// A provider as the server's configuration names it: `openai`.
    ProviderKey,
    "provider"
);
key!(
    /// A topic of a query, as the application or a taxonomy names it.
    CategoryKey,
    "category"
);
key!(
    /// A named set of contexts that rules refer to.
    SegmentKey,
    "segment"
);
key!(
    /// A group of rollouts of which a unit meets at most one.
    GroupKey,
    "exclusion group"
);
key!(
    /// A change that is to be made later.
    ScheduleKey,
    "schedule"
);
key!(
    /// A pointer to a version of an artifact: `latest`. Nothing that is decided depends on one.
    LabelKey,
    "label"
);
key!(
    /// One recorded interaction.
    InteractionId,
    "interaction"
);

/// The keyed pseudonym of a session, user or task: what is stored in place of the id that a person could be found by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitHash(pub u128);

impl fmt::Display for UnitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for UnitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for UnitHash {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let refused = || InvalidKey { kind: "unit", given: text.chars().take(80).collect() };
        if text.len() != 32 {
            return Err(refused());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| refused())
    }
}

impl Serialize for UnitHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnitHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_on_entry() {
        for good in ["a", "support", "gpt-4o-2024-08-06", "A.b_c-9"] {
            assert!(FeatureKey::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        for bad in ["", "a b", "a/b", "ü", long.as_str()] {
            assert!(FeatureKey::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<FeatureKey>("\"a b\"").is_err());
    }

    #[test]
    fn unit_hash_survives_json() {
        let unit = UnitHash(7 << 100);
        let text = serde_json::to_string(&unit).unwrap();
        assert_eq!(serde_json::from_str::<UnitHash>(&text).unwrap(), unit);
    }
}
