//! `serinus token`: what applications and people sign in with. A secret is shown once and kept nowhere.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Client, print};
use crate::human;

/// Verbs of `token`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a token; its secret is shown this once
    #[command(after_help = "Examples:
  serinus token create my-app --scope invoke --scope evaluate --scope record
  serinus token create ci --scope write")]
    Create {
        /// What it is for
        name: String,
        /// evaluate, invoke, record, read, write, operate, approve or admin; may be given more than once
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
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
        Verb::Create { name, scopes } => {
            let answer = client.post("/tokens", &json!({"name": name, "scopes": scopes})).await?;
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
                    scopes.join(" "),
                    human::moment(one["created_at"].as_i64().unwrap_or(0)),
                    one["revoked_at"].as_i64().map_or_else(|| "-".into(), human::moment),
                ]
            };
            let rows: Vec<_> = print::list(&answer, "tokens").iter().map(row).collect();
            print::table(&["id", "name", "scopes", "made (UTC)", "revoked"], &rows);
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
