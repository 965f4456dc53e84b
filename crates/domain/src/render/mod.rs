//! Bundle and input to the call that is sent: templates, messages, parameters, tools. Knows nothing of HTTP or providers' dialects.

mod call;
mod error;
mod include;
mod messages;
mod params;
mod template;

pub use call::{Call, CallInput, render};
pub use error::{InvalidTemplate, RenderError};
pub use template::Template;
