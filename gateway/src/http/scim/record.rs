//! What the provisioning log is told of a request: who asked for what, in words, and what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use poem::Request;
use poem::http::{Method, header};
use scim::{Quirk, ResourceType, provider};
use serde_json::Value;

use super::answer::Answer;
use super::error::Refusal;
use super::excerpt;
use super::request::Call;
use super::target::{Document, Target};
use crate::error::Error;
use crate::flows::provisioning::Push;
use crate::flows::provisioning_log::{Details, Entry};
use crate::http::client_ip::{ClientIp, peer_address};
use crate::ids::DirectoryRequestId;
use crate::model::{DirectoryRequest, EventType, HeldChange, RequestOutcome};

/// Query parameters whose values are shown. A cursor is sealed and says nothing.
const SHOWN: [&str; 7] = [
    "filter",
    "sortBy",
    "sortOrder",
    "startIndex",
    "count",
    "attributes",
    "excludedAttributes",
];
/// The longest value of one, in characters.
const LONGEST_VALUE: usize = 2_048;
const COMPLIANCE_FLAG: &str = "aadOptscim062020";

/// Whose request it is, beyond the directory.
#[derive(Debug)]
pub(super) struct Caller {
    user_agent: Option<String>,
    ip: String,
}

impl Caller {
    pub(super) fn of(request: &Request) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        let known = request.data::<ClientIp>().copied();
        Self {
            user_agent: user_agent.map(excerpt::words),
            ip: known
                .map_or_else(|| peer_address(request), |client| client.0)
                .to_string(),
        }
    }
}

/// What is noted while a request is served.
#[derive(Debug, Default)]
pub(super) struct Notes {
    body: OnceLock<String>,
    summary: OnceLock<String>,
    warning: OnceLock<&'static str>,
}

impl Notes {
    pub(super) fn body(&self, body: &Value) {
        self.body.get_or_init(|| excerpt::body(body));
    }

    /// What is no JSON can't be searched for secrets.
    pub(super) fn unreadable(&self, bytes: usize) {
        self.body
            .get_or_init(|| format!("({bytes} bytes that are not JSON)"));
    }

    /// What is allowed and yet may surprise, behind what was done.
    pub(super) fn warn(&self, warning: &'static str) {
        self.warning.get_or_init(|| warning);
    }

    /// What was done, in words.
    pub(super) fn say(&self, summary: String) {
        self.summary.get_or_init(|| summary);
    }
}

/// A request that is being served.
pub(super) struct Record {
    push: Push,
    caller: Arc<Caller>,
    notes: Arc<Notes>,
    method: Method,
    path: String,
    resource_id: Option<String>,
    query: BTreeMap<String, String>,
    default_summary: String,
}

impl Record {
    /// `path` is what stands behind the directory's base URL.
    pub(super) fn begin(call: &Call, target: Target<'_>, path: &str) -> Self {
        let mut query = BTreeMap::new();
        for (name, value) in call.parameters() {
            call.push.quirks.note_if(
                name.eq_ignore_ascii_case(COMPLIANCE_FLAG),
                Quirk::ComplianceFlag,
            );
            let shown = SHOWN.iter().find(|shown| name.eq_ignore_ascii_case(shown));
            match shown {
                Some(shown) => query.insert((*shown).to_owned(), parameter(value)),
                None => query.insert(excerpt::words(name), "…".to_owned()),
            };
        }
        Self {
            push: call.push.clone(),
            caller: Arc::clone(&call.caller),
            notes: Arc::clone(&call.notes),
            method: call.method().clone(),
            path: match target {
                Target::Unknown => excerpt::words(path),
                _ => target.below().to_owned(),
            },
            resource_id: match target {
                Target::One(_, id) => Some(excerpt::words(id)),
                _ => None,
            },
            query,
            default_summary: default_summary(call.method(), target),
        }
    }

    pub(super) fn end(self, result: &Result<Answer, Refusal>) {
        let log = self.push.app.provisioning_log.clone();
        log.note(self.entry(result.as_ref()));
    }

    fn entry(self, result: Result<&Answer, &Refusal>) -> Entry {
        let (status, scim_type, summary, answer, location) = match result {
            Ok(answer) => {
                let body = answer.body().map(excerpt::body);
                let said = self.notes.summary.get().cloned();
                let summary = said.unwrap_or(self.default_summary);
                let summary = match self.notes.warning.get() {
                    Some(warning) => format!("{summary}; {warning}"),
                    None => summary,
                };
                (
                    answer.status().as_u16(),
                    None,
                    summary,
                    body,
                    answer.location(),
                )
            }
            Err(refusal) => {
                let error = refusal.to_error_response();
                let word = match (RequestOutcome::of(error.status), refusal) {
                    (_, Refusal::Error(Error::DirectoryHeld { .. })) => "Held",
                    (RequestOutcome::Failed, _) => "Failed",
                    _ => "Refused",
                };
                let summary = format!("{word}: {}", excerpt::words(&error.detail));
                let scim_type = error
                    .scim_type
                    .map(|scim_type| scim_type.as_str().to_owned());
                let body = excerpt::body(&error.to_json());
                (error.status, scim_type, summary, Some(body), None)
            }
        };
        let Push {
            app,
            scope,
            cause,
            quirks,
            events,
            token,
            provider,
        } = self.push;
        let id = DirectoryRequestId::generate(&*app.clock, &*app.entropy);
        let user_agent = self.caller.user_agent.clone();
        let provider = provider::recognise(Some(provider), user_agent.as_deref(), &quirks);
        let (events, event_count) = events.listed();
        let made = || {
            location
                .and_then(|url| url.rsplit('/').next())
                .map(str::to_owned)
        };
        let request = DirectoryRequest {
            id,
            organization_id: scope.organization().organization(),
            directory_id: scope.directory(),
            method: excerpt::words(self.method.as_str()),
            path: self.path,
            resource_id: self.resource_id.or_else(made),
            outcome: RequestOutcome::of(status),
            status,
            scim_type,
            summary,
            provider: provider.id.clone(),
            quirks: quirks.iter().map(|quirk| quirk.name().to_owned()).collect(),
            events,
            event_count,
            token_id: token,
            user_agent,
            ip: self.caller.ip.clone(),
            request_id: cause.request_id,
            created_at: id.minted_at().into(),
        };
        let details = Details {
            query: self.query,
            request: self.notes.body.get().cloned(),
            answer,
        };
        Entry {
            scope,
            request,
            details,
        }
    }
}

/// Notes a request that was refused before it was looked at: it may be one of very many, and then only their number
/// is kept.
pub(super) fn one_of_many(
    push: &Push,
    call: impl FnOnce() -> Call,
    target: Target<'_>,
    path: &str,
    refusal: &Refusal,
) {
    let status = refusal.to_error_response().status;
    let log = &push.app.provisioning_log;
    log.note_one_of_many(&push.app, push.token, status, || {
        Record::begin(&call(), target, path).entry(Err(refusal))
    });
}

fn parameter(value: &str) -> String {
    if excerpt::names_secret(value) {
        return "[redacted]".to_owned();
    }
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// What is said where nothing more is known.
fn default_summary(method: &Method, target: Target<'_>) -> String {
    match target {
        Target::One(resource_type, id) => {
            let verb = match method {
                &Method::DELETE => "Deleted",
                &Method::GET | &Method::HEAD => "Read",
                _ => "Changed",
            };
            format!("{verb} {} {}", noun(resource_type), excerpt::words(id))
        }
        Target::Document(Document::ServiceProviderConfig, _) => {
            "Read what this service can do".to_owned()
        }
        Target::Document(Document::ResourceTypes, _) => "Read the resource types".to_owned(),
        Target::Document(Document::Schemas, _) => "Read the schemas".to_owned(),
        _ => "Served".to_owned(),
    }
}

fn noun(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "user",
        ResourceType::Group => "group",
    }
}

/// `user "ada"`.
fn named(resource_type: ResourceType, name: &str) -> String {
    format!("{} \"{}\"", noun(resource_type), excerpt::words(name))
}

impl Call {
    pub(super) fn say_created(&self, resource_type: ResourceType, name: &str, members: i64) {
        let named = named(resource_type, name);
        self.notes.say(match members {
            0 => format!("Created {named}"),
            _ => format!("Created {named} with {}", counted(members, "member")),
        });
    }

    pub(super) fn say_read(&self, resource_type: ResourceType, name: &str, known: bool) {
        let known = match known {
            true => ": not changed since it was last read",
            false => "",
        };
        self.notes
            .say(format!("Read {}{known}", named(resource_type, name)));
    }

    /// The events tell what a change was.
    pub(super) fn say_changed(&self, resource_type: ResourceType, name: &str, changed: bool) {
        let named = named(resource_type, name);
        let count = |event_type| i64::from(self.push.events.count(event_type));
        let added = count(EventType::GroupMemberAdded);
        let removed = count(EventType::GroupMemberRemoved);
        let summary = if !changed {
            format!("Nothing to change of {named}")
        } else if count(EventType::UserDeactivated) > 0 {
            format!("Deactivated {named}")
        } else if count(EventType::UserReactivated) > 0 {
            format!("Reactivated {named}")
        } else if added > 0 && removed > 0 {
            format!(
                "Added {added} and removed {} of {named}",
                counted(removed, "member")
            )
        } else if added > 0 {
            format!("Added {} to {named}", counted(added, "member"))
        } else if removed > 0 {
            format!("Removed {} from {named}", counted(removed, "member"))
        } else {
            format!("Changed {named}")
        };
        self.notes.say(summary);
    }

    /// What the directory was promised.
    pub(super) fn say_held(&self, change: HeldChange, whom: &str) {
        let change = match change {
            HeldChange::Deactivation => "deactivation",
            HeldChange::Deletion => "deletion",
        };
        let whom = excerpt::words(whom);
        self.notes.say(format!(
            "Held: the {change} of user \"{whom}\" waits for the release of this directory"
        ));
    }

    /// `of` is `users`, `groups` or both.
    pub(super) fn say_found(&self, of: &str, filter: Option<&str>, shown: usize, total: u64) {
        let found = match (total, shown) {
            (0, _) => "none found".to_owned(),
            (total, shown) if u64::try_from(shown).is_ok_and(|shown| shown == total) => {
                format!("{total} found")
            }
            (total, shown) => format!("{shown} of {total} shown"),
        };
        self.notes.say(match filter {
            Some(filter) => format!("Looked for {of} with {}: {found}", excerpt::words(filter)),
            None => format!("Listed {of}: {found}"),
        });
    }
}

fn counted(number: i64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
