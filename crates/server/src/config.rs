//! What the server runs with: read once from arguments, environment and the data directory, before any port opens.
//! Nothing else reads the environment. Knows nothing of how the parts are wired.

use std::{
    collections::HashMap,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serinus_llm::{ApiKey, ProviderDefaults};
use serinus_loops::{LangfuseAccess, PromptLayerAccess};

/// The port that every surface shares.
pub const DEFAULT_PORT: u16 = 7171;
/// How fast the clock may run; more than a year a minute is no rehearsal of anything.
const CLOCK_FACTOR_MAX: f64 = 500_000.0;

/// Run the server: gateway, OFREP, control API, dashboard and loops on one port
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  OPENAI_API_KEY=... serinus serve
  serinus serve --port 8080 --data /var/lib/serinus
  serinus serve --database-url postgres://serinus@db/serinus    # any number of nodes, each with its own --data
  serinus serve --provider vllm=http://gpu-1:8000/v1        # its key, if any, in VLLM_API_KEY")]
pub struct ServeArgs {
    /// Address to listen on; any but loopback asks for tokens
    #[arg(long, env = "SERINUS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Port of all surfaces; 0 takes a free one
    #[arg(long, env = "SERINUS_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// An OpenAI-compatible provider by name; its key is read from NAME_API_KEY. May be given more than once
    #[arg(long = "provider", value_name = "NAME=URL")]
    pub providers: Vec<String>,
    /// Origins of browsers that may evaluate flags (CORS)
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,
    /// A PostgreSQL that any number of nodes share, as in postgres://serinus@db/serinus; SQLite in the data directory when not given
    #[arg(long, env = "SERINUS_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Run the clock this many times as fast as the wall: for rehearsals and demos
    #[arg(long, default_value_t = 1.0)]
    pub clock_factor: f64,
}

/// A provider to be reached.
#[derive(Debug)]
pub struct ProviderSetting {
    /// Its name in model artifacts.
    pub name: String,
    /// Its base URL, `/v1` included.
    pub base_url: String,
    /// Its key.
    pub api_key: Option<ApiKey>,
    /// Where the key came from, for the start-up lines.
    pub key_source: Option<String>,
}

/// Everything that the server needs to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The database that nodes share; none for files in the data directory.
    pub database_url: Option<String>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whom it may call.
    pub providers: Vec<ProviderSetting>,
    /// Signing secrets of channels by name.
    pub secrets: HashMap<String, String>,
    /// Access to Langfuse, where prompts may be copied from.
    pub langfuse: Option<LangfuseAccess>,
    /// Access to PromptLayer.
    pub promptlayer: Option<PromptLayerAccess>,
    /// Origins that may evaluate flags.
    pub origins: Vec<String>,
    /// How fast the clock runs.
    pub clock_factor: f64,
    /// This node's name among those that share a database, kept in the data directory.
    pub node: String,
    /// The administrator's token, kept in the data directory.
    pub admin_token: String,
    /// The key of unit pseudonyms, kept in the data directory.
    pub pseudonym_key: [u8; 32],
}

impl Config {
    /// Reads everything; makes the data directory and its secrets where they are missing.
    pub fn read(
        args: &ServeArgs,
        data: Option<&Path>,
        environment: &HashMap<String, String>,
    ) -> anyhow::Result<Self> {
        ensure!(
            args.clock_factor >= 1.0 && args.clock_factor <= CLOCK_FACTOR_MAX,
            "--clock-factor {}: use 1 to {CLOCK_FACTOR_MAX}",
            args.clock_factor
        );
        let data = match data {
            Some(data) => data.to_owned(),
            None => default_data(environment)?,
        };
        std::fs::create_dir_all(&data).with_context(|| format!("data directory {}", data.display()))?;
        let random_hex = || -> String { (0..4).map(|_| format!("{:016x}", rand::random::<u64>())).collect() };
        let admin_token = secret_file(&data.join("admin.token"), || format!("srn_admin_{}", random_hex()))?;
        let pseudonym = secret_file(&data.join("pseudonym.key"), random_hex)?;
        let secret = |(key, value): (&String, &String)| {
            key.strip_prefix("SERINUS_SECRET_").map(|name| (name.to_lowercase(), value.clone()))
        };
        Ok(Self {
            address: SocketAddr::new(args.bind, args.port),
            database_url: args.database_url.clone(),
            providers: providers(&args.providers, environment)?,
            secrets: environment.iter().filter_map(secret).collect(),
            langfuse: langfuse(environment),
            promptlayer: promptlayer(environment),
            origins: args.origins.clone(),
            clock_factor: args.clock_factor,
            node: secret_file(&data.join("node.name"), || format!("node-{:08x}", rand::random::<u32>()))?,
            admin_token,
            pseudonym_key: key_bytes(&pseudonym).with_context(|| {
                format!(
                    "{}: not 64 hexadecimal digits; restore it from a backup",
                    data.join("pseudonym.key").display()
                )
            })?,
            data,
        })
    }
}

/// Where data are kept when nobody says.
pub fn default_data(environment: &HashMap<String, String>) -> anyhow::Result<PathBuf> {
    if let Some(data) = environment.get("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(Path::new(data).join("serinus"));
    }
    match environment.get("HOME").filter(|dir| !dir.is_empty()) {
        Some(home) => Ok(Path::new(home).join(".local/share/serinus")),
        None => bail!("no data directory: HOME is not set, so say --data DIR"),
    }
}

/// A value of the environment that says something.
fn given(environment: &HashMap<String, String>, name: &str) -> Option<String> {
    environment.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The names are Langfuse's own; older clients read LANGFUSE_HOST.
fn langfuse(environment: &HashMap<String, String>) -> Option<LangfuseAccess> {
    let base_url = given(environment, "LANGFUSE_BASE_URL").or_else(|| given(environment, "LANGFUSE_HOST"));
    Some(LangfuseAccess {
        base_url: base_url.unwrap_or_else(|| "https://cloud.langfuse.com".to_owned()),
        public_key: given(environment, "LANGFUSE_PUBLIC_KEY")?,
        secret_key: given(environment, "LANGFUSE_SECRET_KEY")?,
    })
}

fn promptlayer(environment: &HashMap<String, String>) -> Option<PromptLayerAccess> {
    let base_url = given(environment, "PROMPTLAYER_BASE_URL");
    Some(PromptLayerAccess {
        base_url: base_url.unwrap_or_else(|| "https://api.promptlayer.com".to_owned()),
        api_key: given(environment, "PROMPTLAYER_API_KEY")?,
    })
}

fn providers(
    given: &[String],
    environment: &HashMap<String, String>,
) -> anyhow::Result<Vec<ProviderSetting>> {
    let mut all = Vec::new();
    let value = |name: &str| environment.get(name).filter(|value| !value.trim().is_empty());
    let openai = ProviderDefaults::of("openai");
    // A base URL of its own makes a provider of a local server that asks for no key.
    if (value(&openai.api_key_env).is_some() || value(&openai.base_url_env).is_some())
        && !given.iter().any(|text| text.starts_with("openai="))
    {
        let base_url =
            value(&openai.base_url_env).map(String::as_str).or(openai.base_url).unwrap_or_default();
        all.push(setting("openai", base_url, &openai, environment));
    }
    for text in given {
        let Some((name, url)) = text.split_once('=') else {
            bail!("--provider {text}: write NAME=URL, as in vllm=http://localhost:8000/v1");
        };
        serinus_domain::id::ProviderKey::new(name)
            .map_err(|refused| anyhow::anyhow!("--provider {text}: {refused}"))?;
        all.push(setting(name, url, &ProviderDefaults::of(name), environment));
    }
    Ok(all)
}

fn setting(
    name: &str,
    base_url: &str,
    defaults: &ProviderDefaults,
    environment: &HashMap<String, String>,
) -> ProviderSetting {
    let key = environment.get(&defaults.api_key_env).filter(|key| !key.trim().is_empty());
    ProviderSetting {
        name: name.to_owned(),
        base_url: base_url.to_owned(),
        key_source: key.map(|_| defaults.api_key_env.to_string()),
        api_key: key.map(|key| ApiKey::new(key)),
    }
}

/// The secret in `path`, made there with access for its owner alone if it is missing.
fn secret_file(path: &Path, make: impl Fn() -> String) -> anyhow::Result<String> {
    let read = || std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    if path.exists() {
        return read().with_context(|| format!("reading {}", path.display()));
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let secret = make();
    let mut file = options.open(path).with_context(|| format!("creating {}", path.display()))?;
    file.write_all(secret.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(secret)
}

fn key_bytes(hex: &str) -> anyhow::Result<[u8; 32]> {
    let digest: serinus_domain::digest::Digest = hex.parse().map_err(|_| anyhow::anyhow!("not a key"))?;
    Ok(digest.0)
}
