//! The one task of this process that writes what was observed and pinned: takes what waits, commits it together, and then answers
//! everybody. Knows nothing of tables.

use std::future::Future;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    group::{self, Done, Job},
    trouble::Trouble,
};
use crate::{Failure, PinLife, sql::raise};

/// Writes that may wait; whoever comes when it is full waits for room, and nothing is dropped.
const WAITING_MAX: usize = 4096;
/// Writes of one transaction; bounds how long the first of them waits for the others.
const GROUP_MAX: usize = 512;

struct Waiting {
    job: Job,
    tell: oneshot::Sender<Result<Done, Trouble>>,
}

/// The way to the task.
pub(super) struct Writer {
    jobs: mpsc::Sender<Waiting>,
}

impl Writer {
    /// The way to the task, and the task itself, which ends when the last way to it is dropped.
    pub fn new(
        pool: Pool,
        life: PinLife,
        last: watch::Sender<u64>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        (Self { jobs }, Task { pool, life, last }.run(waiting))
    }

    /// Answers once the write is on the disk. What fails leaves nothing behind.
    pub async fn run(&self, what: &'static str, job: Job) -> Result<Done, Failure> {
        let ended = || Trouble::ended().failure(what);
        let (tell, told) = oneshot::channel();
        self.jobs.send(Waiting { job, tell }).await.map_err(|_| ended())?;
        told.await.map_err(|_| ended())?.map_err(|trouble| trouble.failure(what))
    }
}

struct Task {
    pool: Pool,
    life: PinLife,
    last: watch::Sender<u64>,
}

impl Task {
    async fn run(self, mut jobs: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::new();
        while jobs.recv_many(&mut waiting, GROUP_MAX).await > 0 {
            let (group, tell): (Vec<_>, Vec<_>) =
                waiting.drain(..).map(|waiting| (waiting.job, waiting.tell)).unzip();
            let answers = self.answers(&group).await;
            for (tell, answer) in tell.into_iter().zip(answers) {
                // A waiter that went away is no failure: the write stands.
                let _ = tell.send(answer);
            }
        }
    }

    async fn answers(&self, jobs: &[Job]) -> Vec<Result<Done, Trouble>> {
        match self.together(jobs).await {
            Ok(done) => done.into_iter().map(Ok).collect(),
            // What the database will not take fails its own writer and nobody else.
            Err(trouble) if !trouble.retryable && jobs.len() > 1 => {
                let mut answers = Vec::with_capacity(jobs.len());
                for job in jobs {
                    let alone = self.together(std::slice::from_ref(job)).await;
                    answers.push(alone.and_then(|done| done.into_iter().next().ok_or_else(Trouble::ended)));
                }
                answers
            }
            Err(trouble) => {
                tracing::error!("a transaction failed, nothing of it is acknowledged: {trouble:?}");
                jobs.iter().map(|_| Err(trouble.clone())).collect()
            }
        }
    }

    async fn together(&self, jobs: &[Job]) -> Result<Vec<Done>, Trouble> {
        let mut dead = 0;
        loop {
            let mut client = self.pool.get().await?;
            match group::commit(&mut client, jobs, self.life).await {
                Ok((done, last)) => {
                    raise(&self.last, last);
                    return Ok(done);
                }
                // Written twice they still count once: records by their ids, pins because the first stand.
                Err(trouble) if trouble.gone && dead <= self.pool.status().max_size => {
                    drop(Object::take(client));
                    dead += 1;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }
}
