//! Events: one normalized fact about an organization, as the application receives it (CONTRACT section 7).

use std::net::IpAddr;

use poem_openapi::types::ToJSON;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Timestamp, UserChange, WebhookEndpoint};
use crate::ids::{EventId, OrganizationId};

/// All event types; the text is CONTRACT's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    OrganizationCreated,
    OrganizationUpdated,
    OrganizationDeleted,
    DomainCreated,
    DomainVerified,
    DomainFailed,
    DomainDeleted,
    ConnectionCreated,
    ConnectionUpdated,
    ConnectionActivated,
    ConnectionDeactivated,
    ConnectionDeleted,
    ConnectionCertificateExpiring,
    ConnectionCertificateExpired,
    ConnectionClientSecretExpiring,
    ConnectionClientSecretExpired,
    DirectoryCreated,
    DirectoryUpdated,
    DirectoryActivated,
    DirectoryDeleted,
    DirectoryChangeHeld,
    DirectoryChangeReleased,
    UserCreated,
    UserUpdated,
    UserDeactivated,
    UserReactivated,
    UserDeleted,
    UserRolesChanged,
    GroupCreated,
    GroupUpdated,
    GroupDeleted,
    GroupMemberAdded,
    GroupMemberRemoved,
    LoginSucceeded,
    LoginFailed,
    SessionCreated,
    SessionRevoked,
    RoleMappingUpdated,
    WebhookEndpointDisabled,
}

impl EventType {
    pub const ALL: [Self; 39] = [
        Self::OrganizationCreated,
        Self::OrganizationUpdated,
        Self::OrganizationDeleted,
        Self::DomainCreated,
        Self::DomainVerified,
        Self::DomainFailed,
        Self::DomainDeleted,
        Self::ConnectionCreated,
        Self::ConnectionUpdated,
        Self::ConnectionActivated,
        Self::ConnectionDeactivated,
        Self::ConnectionDeleted,
        Self::ConnectionCertificateExpiring,
        Self::ConnectionCertificateExpired,
        Self::ConnectionClientSecretExpiring,
        Self::ConnectionClientSecretExpired,
        Self::DirectoryCreated,
        Self::DirectoryUpdated,
        Self::DirectoryActivated,
        Self::DirectoryDeleted,
        Self::DirectoryChangeHeld,
        Self::DirectoryChangeReleased,
        Self::UserCreated,
        Self::UserUpdated,
        Self::UserDeactivated,
        Self::UserReactivated,
        Self::UserDeleted,
        Self::UserRolesChanged,
        Self::GroupCreated,
        Self::GroupUpdated,
        Self::GroupDeleted,
        Self::GroupMemberAdded,
        Self::GroupMemberRemoved,
        Self::LoginSucceeded,
        Self::LoginFailed,
        Self::SessionCreated,
        Self::SessionRevoked,
        Self::RoleMappingUpdated,
        Self::WebhookEndpointDisabled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationCreated => "organization.created",
            Self::OrganizationUpdated => "organization.updated",
            Self::OrganizationDeleted => "organization.deleted",
            Self::DomainCreated => "domain.created",
            Self::DomainVerified => "domain.verified",
            Self::DomainFailed => "domain.failed",
            Self::DomainDeleted => "domain.deleted",
            Self::ConnectionCreated => "connection.created",
            Self::ConnectionUpdated => "connection.updated",
            Self::ConnectionActivated => "connection.activated",
            Self::ConnectionDeactivated => "connection.deactivated",
            Self::ConnectionDeleted => "connection.deleted",
            Self::ConnectionCertificateExpiring => "connection.certificate_expiring",
            Self::ConnectionCertificateExpired => "connection.certificate_expired",
            Self::ConnectionClientSecretExpiring => "connection.client_secret_expiring",
            Self::ConnectionClientSecretExpired => "connection.client_secret_expired",
            Self::DirectoryCreated => "directory.created",
            Self::DirectoryUpdated => "directory.updated",
            Self::DirectoryActivated => "directory.activated",
            Self::DirectoryDeleted => "directory.deleted",
            Self::DirectoryChangeHeld => "directory.change_held",
            Self::DirectoryChangeReleased => "directory.change_released",
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDeactivated => "user.deactivated",
            Self::UserReactivated => "user.reactivated",
            Self::UserDeleted => "user.deleted",
            Self::UserRolesChanged => "user.roles_changed",
            Self::GroupCreated => "group.created",
            Self::GroupUpdated => "group.updated",
            Self::GroupDeleted => "group.deleted",
            Self::GroupMemberAdded => "group.member_added",
            Self::GroupMemberRemoved => "group.member_removed",
            Self::LoginSucceeded => "login.succeeded",
            Self::LoginFailed => "login.failed",
            Self::SessionCreated => "session.created",
            Self::SessionRevoked => "session.revoked",
            Self::RoleMappingUpdated => "role_mapping.updated",
            Self::WebhookEndpointDisabled => "webhook_endpoint.disabled",
        }
    }
}

/// What an event that is too large does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All but the first hundred of these, in the object and in what was before.
    Most(&'static str),
    /// All of it, in both.
    All(&'static str),
}

impl EventType {
    /// How an event of this type is made smaller, step by step. Whoever is in very many groups must not stay
    /// active because of it; but no change makes a resource larger than an event can say.
    pub(crate) fn cuts(self) -> &'static [Cut] {
        use Cut::{All, Most};
        match self {
            Self::UserUpdated | Self::UserReactivated => {
                &[Most("groups"), All("groups"), Most("role_sources")]
            }
            Self::UserDeactivated | Self::UserDeleted | Self::UserRolesChanged => &[
                Most("groups"),
                All("groups"),
                Most("role_sources"),
                All("attributes"),
                All("emails"),
            ],
            _ => &[],
        }
    }
}

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    Directory,
    Connection,
    ApiKey,
    Portal,
    Operator,
    System,
}

impl ActorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Connection => "connection",
            Self::ApiKey => "api_key",
            Self::Portal => "portal",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: String,
}

/// Who made a change, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub actor: Actor,
    pub request_id: String,
    /// Where the request came from. The audit log keeps it, events do not.
    pub ip: Option<IpAddr>,
}

impl Cause {
    pub fn new(kind: ActorKind, id: impl ToString, request_id: &str) -> Self {
        Self {
            actor: Actor {
                kind,
                id: id.to_string(),
            },
            request_id: request_id.to_owned(),
            ip: None,
        }
    }

    pub fn from_ip(mut self, ip: IpAddr) -> Self {
        self.ip = Some(ip);
        self
    }

    /// Tenon itself: a timer, a worker.
    pub fn system(worker: &str) -> Self {
        Self::new(ActorKind::System, "tenon", worker)
    }
}

/// The member of `group.member_added` and `group.member_removed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// `user` or `group`.
    pub kind: &'static str,
    /// `usr_…` or `grp_…`.
    pub id: String,
}

/// The certificate of `connection.certificate_expiring` and `connection.certificate_expired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateNotice {
    /// SHA-256 of the DER form, lower-case hexadecimal.
    pub fingerprint: String,
    pub subject: String,
    pub not_after: Timestamp,
    /// 60, 30, 14, 7, 3 or 1, rounded up to the next of these; 0 once it has expired.
    pub days_left: i64,
}

/// A fact for the application. It gets its id, time and `sequence` when its transaction commits.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityEvent {
    pub event_type: EventType,
    /// Path below the organization, as in `/directories/dir_…`; empty for the organization itself.
    pub source: String,
    /// The id of the thing the event is about.
    pub subject: String,
    /// The whole resource after the change.
    pub object: Value,
    /// Only the fields that changed, as they were.
    pub previous: Option<Map<String, Value>>,
    pub member: Option<Member>,
    pub certificate: Option<CertificateNotice>,
    /// How many people a brake or its release is about.
    pub counts: Option<Map<String, Value>>,
}

impl IdentityEvent {
    /// An event about `object`; `source` as `/connections/conn_…` or empty.
    pub fn new(
        event_type: EventType,
        source: impl Into<String>,
        subject: impl ToString,
        object: &impl ToJSON,
    ) -> Self {
        Self {
            event_type,
            source: source.into(),
            subject: subject.to_string(),
            object: object.to_json().unwrap_or_default(),
            previous: None,
            member: None,
            certificate: None,
            counts: None,
        }
    }

    /// The change of one thing: `previous` holds the fields that differ. `None` when nothing but bookkeeping
    /// does: then there is nothing to write and nothing to tell.
    pub fn change(
        event_type: EventType,
        source: impl Into<String>,
        subject: impl ToString,
        before: &impl ToJSON,
        after: &impl ToJSON,
    ) -> Option<Self> {
        let (Some(Value::Object(before)), Some(Value::Object(now))) =
            (before.to_json(), after.to_json())
        else {
            return None;
        };
        let previous: Map<String, Value> = before
            .into_iter()
            .filter(|(field, value)| field != "updated_at" && now.get(field) != Some(value))
            .collect();
        let event = Self::new(event_type, source, subject, after);
        (!previous.is_empty()).then(|| event.with_previous(previous))
    }

    pub fn with_change(mut self, change: UserChange) -> Self {
        self.previous = Some(change.previous);
        self
    }

    pub fn with_previous(mut self, previous: Map<String, Value>) -> Self {
        self.previous = Some(previous);
        self
    }

    pub fn with_certificate(mut self, certificate: CertificateNotice) -> Self {
        self.certificate = Some(certificate);
        self
    }

    pub fn with_counts<const N: usize>(mut self, counts: [(&str, i64); N]) -> Self {
        let counts = counts.map(|(name, count)| (name.to_owned(), count.into()));
        self.counts = Some(counts.into_iter().collect());
        self
    }

    pub fn with_member(mut self, member: Member) -> Self {
        self.member = Some(member);
        self
    }

    /// Leaves out a part, and says so beside it: `groups_truncated`.
    pub(crate) fn cut(&mut self, cut: Cut) {
        const KEPT: usize = 100;
        let (Cut::Most(field) | Cut::All(field)) = cut;
        let kept = if matches!(cut, Cut::Most(_)) { KEPT } else { 0 };
        let parts = self.object.as_object_mut().into_iter();
        for part in parts.chain(&mut self.previous) {
            let shortened = match part.get_mut(field) {
                Some(Value::Array(all)) if all.len() > kept => {
                    all.truncate(kept);
                    true
                }
                Some(Value::Object(all)) if !all.is_empty() => {
                    all.clear();
                    true
                }
                _ => false,
            };
            if shortened {
                part.insert(format!("{field}_truncated"), true.into());
            }
        }
    }
}

#[derive(Serialize)]
struct Data<'a> {
    object: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a CertificateNotice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a Map<String, Value>>,
    actor: &'a Actor,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: EventId,
    #[serde(rename = "type")]
    event_type: &'static str,
    time: Timestamp,
    timestamp: Timestamp,
    source: String,
    subject: &'a str,
    datacontenttype: &'static str,
    organizationid: OrganizationId,
    sequence: i64,
    data: Data<'a>,
}

impl IdentityEvent {
    /// The final bytes: CloudEvents 1.0 (structured JSON) that is a valid Standard Webhooks body too.
    pub(crate) fn render(
        &self,
        id: EventId,
        organization: OrganizationId,
        sequence: i64,
        at: Timestamp,
        cause: &Cause,
    ) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Envelope {
            specversion: "1.0",
            id,
            event_type: self.event_type.as_str(),
            time: at,
            timestamp: at,
            source: format!("/organizations/{organization}{}", self.source),
            subject: &self.subject,
            datacontenttype: "application/json",
            organizationid: organization,
            sequence,
            data: Data {
                object: &self.object,
                member: self.member.as_ref(),
                certificate: self.certificate.as_ref(),
                counts: self.counts.as_ref(),
                previous: self.previous.as_ref(),
                actor: &cause.actor,
                request_id: &cause.request_id,
            },
        })
    }
}

/// The bytes that `POST /webhook_endpoints/{id}/test` sends: shaped like an event, but none. Its `sequence` is
/// 0, and it is in no feed.
pub(crate) fn sample_event(
    id: EventId,
    endpoint: &WebhookEndpoint,
    at: Timestamp,
    cause: &Cause,
) -> Result<String, serde_json::Error> {
    let organization = endpoint
        .organization_id
        .unwrap_or(OrganizationId::earliest(chrono::DateTime::UNIX_EPOCH));
    serde_json::to_string(&Envelope {
        specversion: "1.0",
        id,
        event_type: "webhook_endpoint.test",
        time: at,
        timestamp: at,
        source: format!(
            "/organizations/{organization}/webhook_endpoints/{}",
            endpoint.id
        ),
        subject: &endpoint.id.to_string(),
        datacontenttype: "application/json",
        organizationid: organization,
        sequence: 0,
        data: Data {
            object: &endpoint.to_json().unwrap_or_default(),
            member: None,
            certificate: None,
            counts: None,
            previous: None,
            actor: &cause.actor,
            request_id: &cause.request_id,
        },
    })
}
