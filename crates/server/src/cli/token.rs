//! `serinus token`: what applications and people sign in with. A secret is shown once and kept nowhere.

use clap::Subcommand;
use serde_json::{Value, json};
use serinus_domain::units::Millis;

use super::{Client, print};
use crate::human;

/// Verbs of `token`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a token; its secret is shown this once
    #[command(after_help = "Examples:
  serinus token create my-app --scope invoke --scope evaluate --scope record
  serinus token create ci --scope write
  serinus token create app --scope evaluate --for staging --expires 90d")]
    Create {
        /// What it is for
        name: String,
        /// evaluate, invoke, record, read, write, operate, approve or admin; may be given more than once
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// The environment that it is bound to; production when not given
        #[arg(long = "for", value_name = "ENVIRONMENT")]
        bound: Option<String>,
        /// How long it lasts, as in 90d; for ever when not given
        #[arg(long, value_parser = human::span)]
        expires: Option<Millis>,
    },
    /// List tokens
    #[command(after_help = "Examples:\n  serinus token list")]
    List,
    /// Revoke a token
    #[command(after_help = "Examples:\n  serinus token list\n  serinus token revoke 9f2c")]
    Revoke {
        /// Its id
        id: String,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Create { name, scopes, bound, expires } => {
            let mut body = json!({"name": name, "scopes": scopes, "environment": bound});
            if let Some(Millis(span)) = expires {
                body["expires_in_ms"] = span.into();
            }
            let answer = client.post("/tokens", &body).await?;
            if client.json {
                print::json(&answer);
            } else {
                print::line(&print::text(&answer, "secret"));
            }
        }
        Verb::List => {
            let answer = client.get("/tokens").await?;
            if client.json {
                print::json(&answer);
                return Ok(0);
            }
            let row = |one: &Value| {
                let scopes: Vec<_> = print::list(one, "scopes").iter().filter_map(Value::as_str).collect();
                vec![
                    print::text(one, "id"),
                    print::text(one, "name"),
                    one["person"]
                        .as_str()
                        .map_or_else(|| scopes.join(" "), |person| format!("link of {person}")),
                    print::text(one, "environment"),
                    human::moment(one["created_at"].as_i64().unwrap_or(0)),
                    one["expires_at"].as_i64().map_or_else(|| "-".into(), human::moment),
                    one["revoked_at"].as_i64().map_or_else(|| "-".into(), human::moment),
                ]
            };
            let rows: Vec<_> = print::list(&answer, "tokens").iter().map(row).collect();
            print::table(&["id", "name", "scopes", "environment", "made (UTC)", "ends", "revoked"], &rows);
        }
        Verb::Revoke { id } => {
            let answer = client.delete(&format!("/tokens/{id}")).await?;
            if client.json {
                print::json(&answer);
            } else {
                print::line(&format!("revoked  {id}"));
            }
        }
    }
    Ok(0)
}
