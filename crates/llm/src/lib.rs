//! Provider clients, the OpenAI wire types and the stream codec. Knows nothing of features, variants, storage or HTTP
//! servers: a call comes in as bytes and an answer goes out with what was read beside it.

mod alarm;
mod answer;
mod error;
mod json_text;
mod observe;
mod openai;
mod providers;
mod relay;
mod retry;
mod sse;
mod stream;
mod timer;
mod wire;

pub use answer::Answer;
pub use error::{ErrorKind, ProviderError, SetupError, StatusFailure};
pub use json_text::extract_json_object;
pub use openai::{OpenAiCompatible, ProviderCall, ProviderConfig, Timeouts};
pub use providers::{ApiKey, OPENAI_BASE_URL, ProviderDefaults, ProviderKey};
pub use retry::Jitter;
pub use sse::{Event, FRAME_BYTES_MAX, FrameTooLong, SseBuffer};
pub use stream::{AnswerStream, StreamEnd, StreamSummary};
pub use timer::{FactorInvalid, ScaledTimer, Timer};
pub use wire::{
    Completion, ErrorBody, ErrorObject, FinishReason, Message, ToolCall, Usage, ask_for_usage,
    forwardable_headers,
};
