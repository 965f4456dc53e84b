//! Durability: the traits behind which logs, blobs, pins, records and tokens are kept, and what follows a log into memory.
//! Knows nothing of HTTP, providers or statistics, and decides nothing.

mod filter;
mod follow;
mod memory;
mod reports;
mod seams;
mod settle;
mod sqlite;

pub use follow::{Active, FollowError, Live};
pub use memory::MemoryStore;
pub use reports::ReportBoard;
pub use seams::{
    AppendError, Appended, Blobs, Failure, Head, InteractionFilter, InteractionView, JudgeJob, Log,
    LogReader, NewRecord, NodeReport, Nodes, Outbox, PinLife, PinWrite, Pins, Records, SharedStore, Store,
    Token, Tokens,
};
pub use sqlite::{SqliteOptions, SqliteStore};
