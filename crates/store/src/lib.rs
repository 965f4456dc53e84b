//! Durability: the traits behind which logs, blobs, pins, records and tokens are kept, and what follows a log into memory.
//! Knows nothing of HTTP, providers or statistics, and decides nothing.

mod filter;
mod follow;
mod memory;
mod postgres;
mod reports;
mod seams;
mod settle;
mod sql;
mod sqlite;

pub use follow::{Active, FollowError, Live, Node};
pub use memory::MemoryStore;
pub use postgres::{PostgresOptions, PostgresStore};
pub use reports::ReportBoard;
use seams::erased;
pub use seams::{
    AppendError, Appended, Blobs, Desk, Failure, Head, InteractionFilter, InteractionView, JudgeJob, Log,
    LogReader, NewRecord, NodeReport, Nodes, Outbox, Paper, PinLife, PinWrite, Pins, Records, SharedStore,
    Store, Token, Tokens, Usage, Usages,
};
pub use sqlite::{SqliteOptions, SqliteStore};
