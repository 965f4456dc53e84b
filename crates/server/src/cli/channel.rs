//! `serinus channel`: where pages go. The signing secret is named here and set in the server's environment.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, print};

/// Verbs of `channel`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create or change a signed webhook
    #[command(after_help = "Examples:
  serinus channel put oncall https://hooks.example.com/serinus --secret oncall
  # the server reads the secret from SERINUS_SECRET_ONCALL=whsec_...")]
    Put {
        /// Its key
        key: String,
        /// Where messages are posted
        // Not `url`: that name is the server's own address, on every command.
        #[arg(value_name = "URL")]
        target: String,
        /// The name of its secret
        #[arg(long)]
        secret: String,
    },
    /// List channels
    #[command(after_help = "Examples:\n  serinus channel list")]
    List,
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Put { key, target, secret } => {
            let body = json!({"url": target, "secret_name": secret.to_lowercase()});
            let answer = client.put(&format!("/channels/{key}"), &body).await?;
            if client.json {
                print::json(&answer);
            } else {
                print::line(&format!("channel {key}  revision {}", print::text(&answer, "revision")));
            }
        }
        Verb::List => {
            let answer = client.get("/channels").await?;
            if client.json {
                print::json(&answer);
                return Ok(0);
            }
            let row = |one: &Value| {
                vec![print::text(one, "key"), print::text(one, "url"), print::text(one, "secret_name")]
            };
            print::table(
                &["channel", "url", "secret"],
                &print::list(&answer, "channels").iter().map(row).collect::<Vec<_>>(),
            );
        }
    }
    Ok(0)
}
