//! `serinus person`: who may do what. A sign-in link is printed once and kept nowhere.

use clap::Subcommand;
use serde_json::{Map, Value, json};
use serinus_domain::units::Millis;

use super::{Client, print};
use crate::human;

/// Verbs of `person`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Add a person; prints the link that they sign in with, this once
    #[command(after_help = "Examples:
  serinus person add ana --name \"Ana Ruiz\" --email ana@example.com --role production=approver
  serinus person add ci-duty --role production=operator --role staging=admin --expires 30d")]
    Add {
        /// The handle that revisions name them by
        id: String,
        /// As others call them
        #[arg(long)]
        name: Option<String>,
        /// Their address; it never enters the log
        #[arg(long)]
        email: Option<String>,
        /// ENVIRONMENT=ROLE: viewer, editor, operator, approver or admin; may be given more than once
        #[arg(long = "role", value_parser = role)]
        roles: Vec<(String, String)>,
        /// How long the link lasts, as in 30d; for ever when not given
        #[arg(long, value_parser = human::span)]
        expires: Option<Millis>,
    },
    /// Change a person's name, address or roles, or keep them out
    #[command(after_help = "Examples:
  serinus person change ana --role staging=editor
  serinus person change ana --without production
  serinus person change ana --disable")]
    Change {
        /// Their handle
        id: String,
        /// As others call them
        #[arg(long)]
        name: Option<String>,
        /// Their address
        #[arg(long)]
        email: Option<String>,
        /// ENVIRONMENT=ROLE to give; may be given more than once
        #[arg(long = "role", value_parser = role)]
        roles: Vec<(String, String)>,
        /// An environment to take their role in; may be given more than once
        #[arg(long, value_name = "ENVIRONMENT")]
        without: Vec<String>,
        /// Keep them out
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Let them in again
        #[arg(long)]
        enable: bool,
    },
    /// List people
    #[command(after_help = "Examples:\n  serinus person list")]
    List,
    /// Make a new sign-in link; the old one, and every browser that is signed in by it, ends
    #[command(after_help = "Examples:\n  serinus person link ana --expires 12h")]
    Link {
        /// Their handle
        id: String,
        /// How long it lasts; for ever when not given
        #[arg(long, value_parser = human::span)]
        expires: Option<Millis>,
    },
}

fn role(text: &str) -> Result<(String, String), String> {
    let (environment, role) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\": write ENVIRONMENT=ROLE, as in production=approver"))?;
    Ok((environment.to_owned(), role.to_owned()))
}

/// Runs a verb.
pub async fn run(verb: Verb, client: &Client) -> anyhow::Result<u8> {
    match verb {
        Verb::Add { id, name, email, roles, expires } => {
            let roles: Map<_, _> = roles.into_iter().map(|(key, role)| (key, role.into())).collect();
            let mut body = json!({"id": id, "name": name, "email": email, "roles": roles});
            ends(&mut body, expires);
            way_in(client, &client.post("/people", &body).await?);
        }
        Verb::Change { id, name, email, roles, without, disable, enable } => {
            let mut body = json!({"name": name, "email": email});
            if !roles.is_empty() || !without.is_empty() {
                let mut all = client.get(&format!("/people/{id}")).await?["roles"].take();
                for (environment, role) in roles {
                    all[environment] = role.into();
                }
                for environment in without {
                    all.as_object_mut().map(|all| all.remove(&environment));
                }
                body["roles"] = all;
            }
            if disable || enable {
                body["disabled"] = disable.into();
            }
            let answer = client.put(&format!("/people/{id}"), &body).await?;
            if client.json {
                print::json(&answer);
            } else {
                print::line(&format!("changed  {id}  {}", roles_of(&answer)));
            }
        }
        Verb::List => list(client).await?,
        Verb::Link { id, expires } => {
            let mut body = json!({});
            ends(&mut body, expires);
            way_in(client, &client.post(&format!("/people/{id}/link"), &body).await?);
        }
    }
    Ok(0)
}

fn ends(body: &mut Value, expires: Option<Millis>) {
    if let Some(Millis(span)) = expires {
        body["expires_in_ms"] = span.into();
    }
}

/// The link on a line of its own, so that it can be piped.
fn way_in(client: &Client, answer: &Value) {
    if client.json {
        print::json(answer);
        return;
    }
    print::line(&format!("{}{}", client.base(), print::text(answer, "path")));
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let answer = client.get("/people").await?;
    if client.json {
        print::json(&answer);
        return Ok(());
    }
    let row = |one: &Value| {
        let state = if one["disabled"] == json!(true) { "kept out" } else { "" };
        vec![
            print::text(one, "id"),
            print::text(one, "name"),
            print::text(one, "email"),
            roles_of(one),
            human::moment(one["created_at"].as_i64().unwrap_or(0)),
            state.to_owned(),
        ]
    };
    let rows: Vec<_> = print::list(&answer, "people").iter().map(row).collect();
    print::table(&["person", "name", "e-mail", "roles", "added (UTC)", ""], &rows);
    Ok(())
}

fn roles_of(person: &Value) -> String {
    let roles = person["roles"].as_object().into_iter().flatten();
    roles.map(|(key, role)| format!("{key}={}", role.as_str().unwrap_or("-"))).collect::<Vec<_>>().join(" ")
}
