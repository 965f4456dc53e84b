//! Every bound of the system with its unit and its reason. Holds no logic.

/// Bytes of a key; keys stand in URLs, log lines and metric labels.
pub const KEY_BYTES_MAX: usize = 128;
/// Bytes of a session, user or task id as applications send it; UUIDs and URNs fit, a pasted prompt does not.
pub const UNIT_BYTES_MAX: usize = 256;
/// Bytes of one artifact's content; the largest system prompts seen in the wild are near 90 kB.
pub const ARTIFACT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a dataset: it is published in one request to the control API, which takes 1 MiB.
pub const DATASET_BYTES_MAX: usize = 960 * 1024;
/// Cases of one dataset; an offline evaluation calls a model for each of them.
pub const DATASET_CASES_MAX: usize = 2000;
/// Messages of one case of a dataset.
pub const CASE_MESSAGES_MAX: usize = 200;
/// Categories of one taxonomy; a classifier is told all of them in every call.
pub const TAXONOMY_CATEGORIES_MAX: usize = 200;
/// Examples of one category of a taxonomy.
pub const CATEGORY_EXAMPLES_MAX: usize = 100;
/// Labels of one series of artifacts.
pub const LABELS_MAX: usize = 64;
/// Bytes of a rendered prompt: a template may repeat what it is given, but not without end.
pub const RENDERED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Steps of the template engine per render; bounds its time on hostile templates.
pub const RENDER_FUEL: u64 = 200_000;
/// Depth of includes of one artifact in another.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Sections in sections of one mustache text, and what they step into while it is rendered.
pub const MUSTACHE_DEPTH_MAX: usize = 32;
/// Artifacts that one template may include, directly or not.
pub const INCLUDES_MAX: usize = 64;
/// Bytes of a request body at the gateway; long contexts with images in base64 fit.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a request body at the control API.
pub const CONTROL_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a description of a whole environment, with the contents of all its versions.
pub const DESIRED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Attributes of a context.
pub const ATTRIBUTES_MAX: usize = 128;
/// Bytes of an attribute's text.
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// Depth of nested conditions in a rule.
pub const CONDITION_DEPTH_MAX: usize = 16;
/// Conditions in one rule, all levels counted.
pub const CONDITIONS_MAX: usize = 512;
/// Depth of a JSONLogic expression; JSON itself is read to a depth of 128.
pub const LOGIC_DEPTH_MAX: usize = 64;
/// Parts of a JSONLogic expression, lists of people included.
pub const LOGIC_NODES_MAX: usize = 20_000;
/// Steps of one evaluation of a JSONLogic expression; bounds nested loops and texts that double.
pub const LOGIC_FUEL: u32 = 100_000;
/// Bytes of a compiled pattern in a rule; Unicode classes in a dozen places fit, a bomb of counted repeats does not.
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 1024 * 1024;
/// Length of the longest chain of prerequisites; people lose the thread long before.
pub const PREREQUISITE_DEPTH_MAX: usize = 8;
/// Flags that one evaluation looks at through prerequisites, each as often as it is named; bounds its time.
pub const PREREQUISITE_FLAGS_MAX: usize = 128;
/// Units in one list of people; 32 bytes each and sent to every node, so more belong into an attribute.
pub const LIST_UNITS_MAX: usize = 10_000;
/// Steps of an explanation; nobody reads further.
pub const TRACE_STEPS_MAX: usize = 1000;
/// Values that one comparison names; a list of people is a segment's.
pub const VALUES_MAX: usize = 1000;
/// Words to find a flag or feature by.
pub const TAGS_MAX: usize = 32;
/// Rules of one flag or feature.
pub const RULES_MAX: usize = 256;
/// Variants of one flag or feature.
pub const VARIANTS_MAX: usize = 256;
/// Features that one rollout may move at once.
pub const CHANGE_FEATURES_MAX: usize = 16;
/// Changes in one revision; a revision is applied and streamed as a whole.
pub const CHANGES_MAX: usize = 512;
/// Rolled-back rollouts of a feature whose pins are still looked for; sessions live 24 h at most.
pub const REVOCATIONS_KEPT: usize = 32;
/// Combinations of a feature that stay compiled for the sessions pinned to them.
pub const COMBINATIONS_KEPT: usize = 64;
/// Bytes of an answer that checks read; longer answers fail the length check long before.
pub const CHECKED_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a JSON Schema in an output parser or a flag.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a message that goes with a revision or a version.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// Categories that get guardrails of their own in one rollout; more would dilute every one of them.
pub const CATEGORIES_MAX: usize = 20;
/// Compiled snapshots that a node keeps for sessions that meet a feature late.
pub const SNAPSHOTS_KEPT: usize = 64;
/// Approvals that an environment may ask for; with more, nothing would ever be approved.
pub const APPROVALS_MAX: u32 = 10;
/// Comments on one proposal; who has more to say should meet.
pub const COMMENTS_MAX: usize = 500;
