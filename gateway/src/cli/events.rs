//! `tenon events tail`: the events of a running gateway, one JSON line each.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::Value;
use tokio::time::sleep;
use url::Url;

use super::Failure;
use crate::http::drain::termination;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print events as they happen, one JSON object a line
    Tail(Options),
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The gateway
    #[arg(long, env = "TENON_URL", default_value = "http://localhost:8080")]
    url: Url,
    /// A key with the scope read
    #[arg(long, env = "TENON_API_KEY", hide_env_values = true)]
    api_key: String,
    /// Only this organization's events
    #[arg(long, value_name = "ORG")]
    organization: Option<String>,
    /// Only these types, as in user.created or user.*, with commas in between
    #[arg(long)]
    types: Option<String>,
    /// Begin behind this cursor, event or (with --organization) sequence; 0 shows all there is of one
    #[arg(long, default_value = "latest")]
    after: String,
}

/// How long a lost gateway is left alone.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let Command::Tail(options) = command;
    tokio::select! {
        result = tail(options) => result,
        ended = termination() => Ok(ended?),
    }
}

async fn tail(options: Options) -> Result<(), Failure> {
    // An error means that one is installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::builder().redirect(reqwest::redirect::Policy::none());
    let mut tail = Tail {
        client: client.build()?,
        url: events_url(&options)?,
        api_key: options.api_key,
        last_id: None,
    };
    // Whoever mistyped the URL is told at once; a gateway that restarts later is waited for.
    let mut response = tail.open().await?;
    loop {
        if tail.print(&mut response).await? {
            return Ok(());
        }
        response = loop {
            sleep(PAUSE).await;
            match tail.open().await {
                Ok(response) => break response,
                Err(Refused::ForGood(failure)) => return Err(failure),
                Err(Refused::ForNow(failure)) => eprintln!("tenon: {failure}; trying again"),
            }
        };
    }
}

fn events_url(options: &Options) -> Result<Url, Failure> {
    let mut url = options.url.clone();
    url.path_segments_mut()
        .map_err(|()| "--url has to be an http or https URL")?
        .pop_if_empty()
        .extend(["api", "v1", "events"]);
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("after", &options.after);
        if let Some(organization) = &options.organization {
            query.append_pair("organization_id", organization);
        }
        if let Some(types) = &options.types {
            query.append_pair("types", types);
        }
    }
    Ok(url)
}

struct Tail {
    client: Client,
    url: Url,
    api_key: String,
    /// Behind the last event that was printed.
    last_id: Option<String>,
}

/// Why there is no stream.
enum Refused {
    ForGood(Failure),
    ForNow(Failure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ForGood(failure) | Refused::ForNow(failure) => failure,
        }
    }
}

impl Tail {
    async fn open(&self) -> Result<Response, Refused> {
        let mut request = self
            .client
            .get(self.url.clone())
            .bearer_auth(&self.api_key)
            .header(header::ACCEPT, "text/event-stream");
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let response = request
            .send()
            .await
            .map_err(|error| Refused::ForNow(error.into()))?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let problem: Value = response.json().await.unwrap_or_default();
        let failure = match (problem["code"].as_str(), problem["detail"].as_str()) {
            (Some(code), Some(detail)) => format!("{status} {code}: {detail}"),
            _ => format!("the gateway answers {status}"),
        };
        Err(
            match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                true => Refused::ForNow(failure.into()),
                false => Refused::ForGood(failure.into()),
            },
        )
    }

    /// Prints until the stream breaks. True when nobody reads our output any more.
    async fn print(&mut self, response: &mut Response) -> Result<bool, Failure> {
        let mut parser = Parser::default();
        while let Ok(Some(chunk)) = response.chunk().await {
            for message in parser.read(&chunk) {
                if message.event == "problem" {
                    return Err(message.data.into());
                }
                let mut output = io::stdout().lock();
                let printed = writeln!(output, "{}", message.data).and_then(|()| output.flush());
                match printed {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
                    printed => printed?,
                }
                self.last_id = message.id.or(self.last_id.take());
            }
        }
        Ok(false)
    }
}

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    event: String,
    data: String,
}

/// Takes a stream apart (HTML standard, section 9.2.6), as far as our own server makes use of it.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    message: Message,
}

impl Parser {
    fn read(&mut self, chunk: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for byte in chunk {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            match line.split_once(": ") {
                Some(("id", id)) => self.message.id = Some(id.to_owned()),
                Some(("event", event)) => event.clone_into(&mut self.message.event),
                Some(("data", data)) => data.clone_into(&mut self.message.data),
                _ if line.is_empty() => {
                    let message = std::mem::take(&mut self.message);
                    if !message.data.is_empty() {
                        messages.push(message);
                    }
                }
                // Comments, and fields that say nothing to us.
                _ => {}
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let stream = "retry: 1000\n\n: alive\n\nid: a\ndata: {\"x\":\"y: z\"}\n\nid: b\ndata: {}\n\n\
                      event: problem\ndata: {\"code\":\"cursor_expired\"}\n\n";
        let message = |id: Option<&str>, event: &str, data: &str| Message {
            id: id.map(str::to_owned),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            message(Some("a"), "", "{\"x\":\"y: z\"}"),
            message(Some("b"), "", "{}"),
            message(None, "problem", "{\"code\":\"cursor_expired\"}"),
        ];
        for size in [1, 2, 7, 1000] {
            let mut parser = Parser::default();
            let read: Vec<Message> = stream
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| parser.read(chunk))
                .collect();
            assert_eq!(read, expected, "{size}");
        }
    }
}
