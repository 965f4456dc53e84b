//! What a directory of files describes: the wire form of configuration as people keep it. Rollouts, combinations and schedules are
//! operations and have no place here; lists of people stay where they are and show as digests. Knows nothing of files.

mod export;
mod making;
mod plan;
mod reference;
mod running;
mod shape;

pub use export::export;
pub(crate) use export::{Wanted, export_some};
pub(crate) use plan::{Copying, plan_as};
pub use plan::{Plan, Step, Verb, plan};
pub use reference::{Reference, Series};
pub(crate) use running::Running;
pub use shape::{
    Desired, DesiredArtifact, DesiredChannel, DesiredEnvironment, DesiredFeature, DesiredFlag, DesiredGroup,
    DesiredJudge, DesiredOff, DesiredSegment,
};
