//! One transaction over many writes of pins and records, in a constant number of statements however many there are.
//! Knows nothing of who waits for them.
//!
//! Its first statement locks the row that holds the last sequence number. So numbers are taken in the order in which transactions
//! commit, over all processes: who has read up to one number has missed none before it, which no sequence can promise.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use deadpool_postgres::{Object, Transaction};
use serinus_domain::{
    id::{FeatureKey, UnitHash},
    record::{Body, Record},
    resolve::Pin,
    units::Timestamp,
};

use super::{Params, trouble::Trouble};
use crate::{
    Appended, NewRecord, PinLife, PinWrite,
    filter::{is_verdict, kind},
    settle::{Kept, settle},
    sql::{Columns, arm_name, int, uint},
};

/// One write.
pub(super) enum Job {
    Append(Vec<NewRecord>),
    Pin(PinWrite),
    Close(UnitHash),
}

/// What became of it.
pub(super) enum Done {
    Appended(Appended),
    Pinned(Vec<Pin>),
    Closed,
}

/// Writes all or nothing; answers in the order of `jobs`, and the last sequence number.
pub(super) async fn commit(
    client: &mut Object,
    jobs: &[Job],
    life: PinLife,
) -> Result<(Vec<Done>, u64), Trouble> {
    let transaction = client.transaction().await?;
    let row = transaction.query_one("select seq from last_record for update", &[]).await?;
    let before = uint(row.try_get(0)?);
    let mut sessions = Sessions::read(&transaction, jobs).await?;
    let (mut done, mut enrolments) = (Vec::with_capacity(jobs.len()), Vec::new());
    for job in jobs {
        done.push(match job {
            Job::Append(_) => Done::Appended(Appended::default()),
            Job::Close(session) => sessions.close(*session),
            Job::Pin(write) => {
                let (standing, enrolment) = sessions.settle(write, life);
                enrolments.extend(enrolment);
                Done::Pinned(standing)
            }
        });
    }
    sessions.write(&transaction).await?;
    let records = Records::accept(&transaction, before, &enrolments, jobs, &mut done).await?;
    records.write(&transaction).await?;
    let last = before + records.0.len() as u64;
    if last > before {
        run(&transaction, "update last_record set seq = $1", &[&int(last)]).await?;
    }
    transaction.commit().await?;
    Ok((done, last))
}

async fn run(transaction: &Transaction<'_>, sql: &str, params: Params<'_>) -> Result<u64, Trouble> {
    let statement = transaction.prepare_cached(sql).await?;
    Ok(transaction.execute(&statement, params).await?)
}

/// The sessions that are written, as they will stand.
#[derive(Default)]
struct Sessions {
    kept: HashMap<UnitHash, Vec<Kept>>,
    /// Those whose older pins all go.
    ended: HashSet<UnitHash>,
    changed: BTreeSet<(u128, FeatureKey)>,
}

impl Sessions {
    async fn read(transaction: &Transaction<'_>, jobs: &[Job]) -> Result<Self, Trouble> {
        let written = jobs.iter().filter_map(|job| match job {
            Job::Pin(write) => write.pins.first().map(|pin| super::pins::bytes(pin.session)),
            _ => None,
        });
        let written: BTreeSet<Vec<u8>> = written.collect();
        let mut sessions = Self::default();
        if written.is_empty() {
            return Ok(sessions);
        }
        let statement = transaction.prepare_cached(super::pins::READ).await?;
        for row in transaction.query(&statement, &[&written.into_iter().collect::<Vec<_>>()]).await? {
            let kept = super::pins::kept(&row)?;
            sessions.kept.entry(kept.pin.session).or_default().push(kept);
        }
        Ok(sessions)
    }

    fn close(&mut self, session: UnitHash) -> Done {
        self.kept.remove(&session);
        self.ended.insert(session);
        Done::Closed
    }

    fn settle(&mut self, write: &PinWrite, life: PinLife) -> (Vec<Pin>, Option<Record>) {
        let Some(session) = write.pins.first().map(|pin| pin.session) else {
            return (Vec::new(), settle(&[], write.clone(), life).enrolment.map(Record::Enrolment));
        };
        let pins = self.kept.entry(session).or_default();
        let settled = settle(pins, write.clone(), life);
        if settled.ended {
            pins.clear();
            self.ended.insert(session);
        }
        for new in settled.kept {
            self.changed.insert((session.0, new.pin.feature.clone()));
            pins.retain(|old| old.pin.feature != new.pin.feature);
            pins.push(new);
        }
        (settled.standing, settled.enrolment.map(Record::Enrolment))
    }

    async fn write(&self, transaction: &Transaction<'_>) -> Result<(), Trouble> {
        if !self.ended.is_empty() {
            let ended: Vec<_> = self.ended.iter().copied().map(super::pins::bytes).collect();
            run(transaction, "delete from pins where session = any($1)", &[&ended]).await?;
        }
        let changed = |kept: &&Kept| self.changed.contains(&(kept.pin.session.0, kept.pin.feature.clone()));
        let pins: Vec<&Kept> = self.kept.values().flatten().filter(changed).collect();
        if pins.is_empty() {
            return Ok(());
        }
        let each = |kept: &&Kept| serde_json::to_string(&kept.pin);
        let bodies = pins.iter().map(each).collect::<Result<Vec<_>, _>>()?;
        let upsert = "insert into pins(session, feature, rollout, arm, opened, last_seen, body)
            select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
            on conflict(session, feature) do update set rollout = excluded.rollout, arm = excluded.arm,
            opened = excluded.opened, last_seen = excluded.last_seen, body = excluded.body";
        let arms = || pins.iter().map(|kept| kept.pin.arm.as_ref());
        run(
            transaction,
            upsert,
            &[
                &pins.iter().map(|kept| super::pins::bytes(kept.pin.session)).collect::<Vec<_>>(),
                &pins.iter().map(|kept| kept.pin.feature.as_str()).collect::<Vec<_>>(),
                &arms().map(|arm| arm.map(|facts| facts.rollout.as_str())).collect::<Vec<_>>(),
                &arms().map(|arm| arm.map(|facts| arm_name(facts.arm))).collect::<Vec<_>>(),
                &pins.iter().map(|kept| kept.opened.0).collect::<Vec<_>>(),
                &pins.iter().map(|kept| kept.last_seen.0).collect::<Vec<_>>(),
                &bodies,
            ],
        )
        .await?;
        Ok(())
    }
}

/// A record that is new.
struct Accepted<'a> {
    seq: i64,
    id: String,
    record: &'a Record,
    body: Option<&'a Body>,
}

/// The new ones of all that came, in their order.
struct Records<'a>(Vec<Accepted<'a>>);

impl<'a> Records<'a> {
    /// INVARIANT(counted-once): an id that is known, or came a moment before, is there once.
    async fn accept(
        transaction: &Transaction<'_>,
        before: u64,
        enrolments: &'a [Record],
        jobs: &'a [Job],
        done: &mut [Done],
    ) -> Result<Self, Trouble> {
        let of = |(at, job): (usize, &'a Job)| match job {
            Job::Append(batch) => {
                batch.iter().map(|new| (Some(at), &new.record, new.body.as_ref())).collect()
            }
            _ => Vec::new(),
        };
        let came = enrolments.iter().map(|record| (None, record, None));
        let came: Vec<(Option<usize>, &Record, Option<&Body>)> =
            came.chain(jobs.iter().enumerate().flat_map(of)).collect();
        if came.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let ids: Vec<String> = came.iter().map(|(_, record, _)| record.id()).collect();
        let statement = transaction.prepare_cached("select id from records where id = any($1)").await?;
        let known = transaction.query(&statement, &[&ids]).await?;
        let mut known = known.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<String>, _>>()?;
        let mut accepted = Vec::new();
        for ((job, record, body), id) in came.into_iter().zip(ids) {
            let new = known.insert(id.clone());
            if let Some(Done::Appended(counts)) = job.and_then(|at| done.get_mut(at)) {
                if new { counts.accepted += 1 } else { counts.duplicates += 1 }
            }
            if new {
                accepted.push(Accepted { seq: int(before + 1 + accepted.len() as u64), id, record, body });
            }
        }
        Ok(Self(accepted))
    }

    async fn write(&self, transaction: &Transaction<'_>) -> Result<(), Trouble> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.insert(transaction).await?;
        self.seen(transaction).await?;
        self.bodies(transaction).await?;
        self.judged(transaction).await
    }

    async fn insert(&self, transaction: &Transaction<'_>) -> Result<(), Trouble> {
        let columns: Vec<Columns<'_>> = self.0.iter().map(|new| Columns::of(new.record)).collect();
        let records = self.0.iter().map(|new| serde_json::to_string(new.record));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        fn each<'c, T>(columns: &'c [Columns<'c>], of: impl Fn(&'c Columns<'c>) -> T) -> Vec<T> {
            columns.iter().map(of).collect()
        }
        // No text of PostgreSQL's holds this character, and no provider's id needs it.
        let responses = each(&columns, |one| one.response_id.map(|id| id.replace('\0', "")));
        let insert = "insert into records(seq, id, kind, feature, rollout, arm, category, role, at, response_id, interaction,
                rating, flawed, verdict, body)
            select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::bigint[], $10::text[], $11::text[], $12::float8[], $13::boolean[], $14::boolean[], $15::text[])";
        run(
            transaction,
            insert,
            &[
                &self.0.iter().map(|new| new.seq).collect::<Vec<_>>(),
                &self.0.iter().map(|new| new.id.as_str()).collect::<Vec<_>>(),
                &self.0.iter().map(|new| kind(new.record)).collect::<Vec<_>>(),
                &each(&columns, |one| one.feature),
                &each(&columns, |one| one.rollout),
                &each(&columns, |one| one.arm),
                &each(&columns, |one| one.category),
                &each(&columns, |one| one.role),
                &each(&columns, |one| one.at.0),
                &responses,
                &each(&columns, |one| one.interaction),
                &each(&columns, |one| one.rating),
                &each(&columns, |one| one.flawed),
                &each(&columns, |one| one.verdict),
                &records,
            ],
        )
        .await?;
        Ok(())
    }

    /// A turn keeps its session.
    async fn seen(&self, transaction: &Transaction<'_>) -> Result<(), Trouble> {
        let mut seen: BTreeMap<u128, Timestamp> = BTreeMap::new();
        for new in &self.0 {
            if let Record::Interaction(record) = new.record
                && let Some(session) = record.session
            {
                let last = seen.entry(session.0).or_insert(record.at);
                *last = record.at.max(*last);
            }
        }
        if seen.is_empty() {
            return Ok(());
        }
        let sessions: Vec<_> = seen.keys().map(|session| super::pins::bytes(UnitHash(*session))).collect();
        let times: Vec<i64> = seen.values().map(|at| at.0).collect();
        let update =
            "update pins set last_seen = seen.at from unnest($1::bytea[], $2::bigint[]) as seen(session, at)
            where pins.session = seen.session and pins.last_seen < seen.at";
        run(transaction, update, &[&sessions, &times]).await?;
        Ok(())
    }

    async fn bodies(&self, transaction: &Transaction<'_>) -> Result<(), Trouble> {
        let kept = self.0.iter().filter_map(|new| Some((new.seq, new.body?)));
        let kept = kept.map(|(seq, body)| Ok((seq, serde_json::to_string(body)?)));
        let (seqs, bodies): (Vec<i64>, Vec<String>) =
            kept.collect::<Result<Vec<_>, serde_json::Error>>()?.into_iter().unzip();
        if !seqs.is_empty() {
            let insert = "insert into bodies(seq, body) select * from unnest($1::bigint[], $2::text[])";
            run(transaction, insert, &[&seqs, &bodies]).await?;
        }
        Ok(())
    }

    /// Joins and leaves the judge's queue. A verdict may have come before what it judges.
    async fn judged(&self, transaction: &Transaction<'_>) -> Result<(), Trouble> {
        let (mut seqs, mut ids, mut due, mut verdicts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for new in &self.0 {
            match new.record {
                Record::Interaction(record) if record.judge && new.body.is_some() => {
                    seqs.push(new.seq);
                    ids.push(record.id.as_str());
                    due.push(record.at.0);
                }
                Record::Score(score) if is_verdict(score) => {
                    verdicts.push(format!("int/{}", score.interaction));
                }
                _ => {}
            }
        }
        if !seqs.is_empty() {
            let join = "insert into judge_queue(seq, attempts, due_at, held_until)
                select new.seq, 0, new.due_at, 0
                from unnest($1::bigint[], $2::text[], $3::bigint[]) as new(seq, interaction, due_at)
                where not exists(select 1 from records r where r.interaction = new.interaction and r.verdict)";
            run(transaction, join, &[&seqs, &ids, &due]).await?;
        }
        if !verdicts.is_empty() {
            let leave = "delete from judge_queue where seq in (select seq from records where id = any($1))";
            run(transaction, leave, &[&verdicts]).await?;
        }
        Ok(())
    }
}
