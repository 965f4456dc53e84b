//! Everything in one PostgreSQL database, a schema for each environment, so that any number of identical processes share it.
//! Says how connections are made and what they may cost; knows nothing of what is kept.

mod control;
mod desk;
mod group;
mod listen;
mod log;
mod pins;
mod queries;
mod records;
mod schema;
mod trouble;
mod writer;

use std::{fmt, sync::Arc, time::Duration};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use serinus_domain::{id::EnvironmentKey, revision::RevisionNumber};
use tokio::{sync::watch, task::JoinSet};
use tokio_postgres::{Config, Row, config::TargetSessionAttrs, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::{trouble::Trouble, writer::Writer};
use crate::{Failure, PinLife};

/// How a store in a database behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresOptions {
    /// How long pins last.
    pub pin_life: PinLife,
    /// Connections that this process opens for one environment at most, beside the one that listens.
    pub connections_max: usize,
    /// How long the server may work on one statement.
    pub statement_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { pin_life: PinLife::default(), connections_max: 12, statement_timeout: Duration::from_secs(10) }
    }
}

/// A store in a database.
pub struct PostgresStore {
    place: Place,
    /// For what a request or a rollback waits for: never behind somebody who looks through the log.
    serving: Pool,
    readers: Pool,
    writer: Writer,
    /// Who holds the judge's jobs that were handed out here.
    holder: String,
    pin_life: PinLife,
    head: watch::Sender<RevisionNumber>,
    last_record: watch::Sender<u64>,
    /// What listens and what writes; they end with the store.
    _tasks: JoinSet<()>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("schema", &self.place.schema).finish_non_exhaustive()
    }
}

/// How long a connection may take to come about.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a call waits for a connection that others use.
const POOL_WAIT: Duration = Duration::from_secs(5);
/// How long a peer that says nothing is taken for alive.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The longest name that PostgreSQL keeps whole.
const NAME_BYTES_MAX: usize = 63;

/// Where a schema lies and how its connections are set up.
#[derive(Clone)]
struct Place {
    config: Config,
    tls: MakeRustlsConnect,
    schema: String,
    statement_timeout: Duration,
}

impl Place {
    fn new(url: &str, environment: &EnvironmentKey, options: &PostgresOptions) -> Result<Self, Trouble> {
        // INVARIANT(no-secret): what is wrong with an address is not said in its own words, which hold the password.
        let unreadable = "the database URL cannot be read: it looks like postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require";
        // A certificate is always verified here, so that there is nothing more to ask for than TLS.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = url.parse().map_err(|_| Trouble::damaged(unreadable))?;
        config
            .connect_timeout(CONNECT_WAIT)
            .keepalives_idle(SILENCE_MAX)
            .keepalives_interval(SILENCE_MAX / 3)
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE_MAX)
            // Of several hosts, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("serinus");
        }
        let schema = format!("serinus_{environment}");
        if schema.len() > NAME_BYTES_MAX {
            let reason = format!(
                "environment \"{environment}\" has too long a name for a schema: {NAME_BYTES_MAX} bytes at most with \"serinus_\""
            );
            return Err(Trouble::damaged(reason));
        }
        Ok(Self { config, tls: tls()?, schema, statement_timeout: options.statement_timeout })
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }

    /// What every connection is told first. INVARIANT(acknowledged-is-durable): a commit is on the disk before it returns.
    fn set_up(&self) -> String {
        format!(
            "set search_path to {}; set synchronous_commit to on; set default_transaction_isolation to 'read committed';
            set statement_timeout to {}; set lock_timeout to 5000; set idle_in_transaction_session_timeout to 15000;
            set jit to off; set client_min_messages to warning",
            self.quoted(),
            self.statement_timeout.as_millis()
        )
    }

    fn pool(&self, connections: usize) -> Result<Pool, Trouble> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let set_up: Arc<str> = self.set_up().into();
        let first = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let set_up = Arc::clone(&set_up);
            Box::pin(async move { client.batch_execute(&set_up).await.map_err(HookError::Backend) })
        });
        Pool::builder(manager)
            .max_size(connections)
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(CONNECT_WAIT * 2))
            .runtime(Runtime::Tokio1)
            .post_create(first)
            .build()
            .map_err(|refused| Trouble::damaged(refused.to_string()))
    }
}

/// Verifies certificates against the roots of this machine (or those in the file that `SSL_CERT_FILE` names).
fn tls() -> Result<MakeRustlsConnect, Trouble> {
    use rustls_platform_verifier::BuilderVerifierExt;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = |refused: rustls::Error| Trouble::damaged(format!("cannot set up TLS: {refused}"));
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(failed)?
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl PostgresStore {
    /// Opens the store of `environment` in the database at `url`; makes its schema where it is missing, and brings an older one up
    /// to date.
    pub async fn connect(
        url: &str,
        environment: &EnvironmentKey,
        options: PostgresOptions,
    ) -> Result<Self, Failure> {
        Self::open(url, environment, options).await.map_err(|trouble| trouble.failure("open the database"))
    }

    async fn open(
        url: &str,
        environment: &EnvironmentKey,
        options: PostgresOptions,
    ) -> Result<Self, Trouble> {
        let place = Place::new(url, environment, &options)?;
        let most = options.connections_max.max(3);
        let (serving, readers) = (place.pool(most.div_ceil(2))?, place.pool(most / 2)?);
        schema::migrate(&mut serving.get().await?, &place).await?;
        let last = rows(&serving, listen::LAST, &[]).await?;
        let (head, last_record) = listen::last(&last)?;
        let (head, last_record) = (watch::Sender::new(head), watch::Sender::new(last_record));
        let mut tasks = JoinSet::new();
        tasks.spawn(listen::run(place.clone(), head.clone(), last_record.clone()));
        let (writer, work) = Writer::new(serving.clone(), options.pin_life, last_record.clone());
        tasks.spawn(work);
        let holder = format!("{:016x}", rand::random::<u64>());
        let pin_life = options.pin_life;
        Ok(Self { place, serving, readers, writer, holder, pin_life, head, last_record, _tasks: tasks })
    }
}

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

async fn ask(client: &Object, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

/// Runs a statement that may be run twice without harm: a connection that died while nobody looked costs nobody an answer.
async fn rows(pool: &Pool, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
    let mut dead = 0;
    loop {
        let client = pool.get().await?;
        match ask(&client, sql, params).await {
            Err(trouble) if trouble.gone && dead <= pool.status().max_size => {
                drop(Object::take(client));
                dead += 1;
            }
            answer => return answer,
        }
    }
}

/// Runs a statement once; how many rows it changed.
async fn change(pool: &Pool, sql: &str, params: Params<'_>) -> Result<u64, Trouble> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, params).await?)
}
