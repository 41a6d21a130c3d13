//! The audit log: who did what, in which organization, and what it changed.

use poem_openapi::Object;
use poem_openapi::types::ToJSON;
use serde_json::{Map, Value};

use super::{ActorKind, Cause, EventType, IdentityEvent, Timestamp};
use crate::ids::{AuditEntryId, OrganizationId};

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct AuditActor {
    /// `api_key`, `portal`, `operator` (the command line), `connection` (a sign-in), `directory` (that was held) or
    /// `system`.
    pub kind: String,
    pub id: String,
}

/// One act of somebody.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct AuditEntry {
    pub id: AuditEntryId,
    /// Null for what stands above organizations.
    pub organization_id: Option<OrganizationId>,
    pub actor: AuditActor,
    /// As in `connection.updated`.
    pub action: String,
    /// The id of what was acted on; a role's slug.
    pub target: String,
    /// The fields that changed, as they were; null where nothing was there. Secrets and personal data are never
    /// in it.
    pub before: Option<Value>,
    /// The fields that changed, as they are now; null where nothing is left.
    pub after: Option<Value>,
    /// Names the request in the log, and in the events that it caused.
    pub request_id: String,
    /// Where the request came from.
    pub ip: Option<String>,
    pub created_at: Timestamp,
}

/// An act on its way into the log: it gets its id and time when its transaction commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub organization_id: Option<OrganizationId>,
    pub action: &'static str,
    pub target: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub cause: Cause,
}

impl Act {
    /// An act that changes nothing to be shown: a new secret, a replay.
    pub fn new(action: &'static str, target: impl ToString, cause: &Cause) -> Self {
        Self {
            organization_id: None,
            action,
            target: target.to_string(),
            before: None,
            after: None,
            cause: cause.clone(),
        }
    }

    pub fn inside(mut self, organization: impl Into<Option<OrganizationId>>) -> Self {
        self.organization_id = organization.into();
        self
    }

    pub fn made(mut self, object: &impl ToJSON) -> Self {
        self.after = object.to_json();
        self
    }

    pub fn removed(mut self, object: &impl ToJSON) -> Self {
        self.before = object.to_json();
        self
    }

    /// The fields that differ, but for `updated_at`. Both empty when only a secret does.
    pub fn changed(mut self, before: &impl ToJSON, after: &impl ToJSON) -> Self {
        let (Some(Value::Object(before)), Some(Value::Object(after))) =
            (before.to_json(), after.to_json())
        else {
            return self;
        };
        let previous = before
            .into_iter()
            .filter(|(field, value)| field != "updated_at" && after.get(field) != Some(value))
            .collect();
        self.show(previous, &Value::Object(after));
        self
    }

    fn show(&mut self, previous: Map<String, Value>, object: &Value) {
        let now = |field: &String| (field.clone(), object[field.as_str()].clone());
        self.after = Some(Value::Object(previous.keys().map(now).collect()));
        self.before = Some(Value::Object(previous));
    }

    /// What one transaction did: the acts that its events tell of, and those that no event tells of. Events of
    /// directories and sign-ins are nobody's acts, and of a deletion only the thing named is one: what went with
    /// it is in the events.
    pub fn of_transaction(
        events: &[(OrganizationId, IdentityEvent, Cause)],
        told: Vec<Self>,
    ) -> Vec<Self> {
        let mut acts: Vec<Self> = events
            .iter()
            .filter(|(_, _, cause)| {
                let kind = cause.actor.kind;
                matches!(
                    kind,
                    ActorKind::ApiKey | ActorKind::Portal | ActorKind::Operator
                )
            })
            .filter_map(|(organization, event, cause)| Self::of_event(*organization, event, cause))
            .collect();
        acts.extend(told);
        let highest = acts.iter().map(Self::rank).max().unwrap_or_default();
        acts.retain(|act| act.rank() == highest);
        let allowed: Vec<Self> = events
            .iter()
            .filter_map(|(organization, event, cause)| exception(*organization, event, cause))
            .collect();
        acts.extend(allowed);
        acts
    }

    fn of_event(
        organization: OrganizationId,
        event: &IdentityEvent,
        cause: &Cause,
    ) -> Option<Self> {
        let action = event.event_type.as_str();
        let mut act = Self::new(action, &event.subject, cause).inside(organization);
        match (event.event_type, &event.previous) {
            // Of people the log keeps ids only.
            (EventType::UserDeleted | EventType::SessionRevoked, _) => {}
            _ if ["user.", "group.", "login.", "session."]
                .iter()
                .any(|kind| action.starts_with(kind)) =>
            {
                return None;
            }
            (_, Some(previous)) => act.show(previous.clone(), &event.object),
            _ if action.ends_with(".deleted") => act.before = Some(event.object.clone()),
            _ => act.after = Some(event.object.clone()),
        }
        if let (Some(Value::Object(after)), Some(counts)) = (&mut act.after, &event.counts) {
            after.insert("counts".to_owned(), counts.clone().into());
        }
        Some(act)
    }

    /// A session ends with its user or connection, a user goes with its directory.
    fn rank(&self) -> u8 {
        match self.action {
            "session.revoked" => 0,
            "user.deleted" => 1,
            _ => 2,
        }
    }
}

/// The settings of a connection that can weaken a default (SAML.md section 3). Whoever
/// switches one on leaves an entry of its own, so that nobody has to search for it among other changes.
const EXCEPTIONS: [&str; 4] = [
    "saml.allow_sha1",
    "saml.idp_initiated",
    "saml.alternate_sp_entity_id",
    "email_domain_policy",
];

fn weakens(name: &str, value: &Value) -> bool {
    match name {
        "saml.allow_sha1" => *value == true,
        "saml.idp_initiated" => value == "allow_unsolicited",
        "saml.alternate_sp_entity_id" => !value.is_null(),
        "email_domain_policy" => value == "any",
        _ => false,
    }
}

fn exception(organization: OrganizationId, event: &IdentityEvent, cause: &Cause) -> Option<Act> {
    if !matches!(
        event.event_type,
        EventType::ConnectionCreated | EventType::ConnectionUpdated
    ) {
        return None;
    }
    let (mut before, mut after) = (Map::new(), Map::new());
    for name in EXCEPTIONS {
        let path = format!("/{}", name.replace('.', "/"));
        let now = event.object.pointer(&path);
        let Some(now) = now.filter(|value| weakens(name, value)) else {
            continue;
        };
        // `previous` has the top-level fields that changed, whole.
        let field = path.split('/').nth(1).unwrap_or_default();
        let was = match &event.previous {
            Some(previous) if !previous.contains_key(field) => continue,
            Some(previous) => Value::Object(previous.clone()).pointer(&path).cloned(),
            None => None,
        };
        if was.as_ref() == Some(now) {
            continue;
        }
        before.insert(name.to_owned(), was.unwrap_or(Value::Null));
        after.insert(name.to_owned(), now.clone());
    }
    (!after.is_empty()).then(|| {
        let mut act = Act::new("connection.exception_allowed", &event.subject, cause);
        act.before = Some(Value::Object(before));
        act.after = Some(Value::Object(after));
        act.inside(organization)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: EventType, object: Value, previous: Option<Value>) -> IdentityEvent {
        let previous = previous.and_then(|it| it.as_object().cloned());
        IdentityEvent {
            previous,
            ..IdentityEvent::new(kind, "", "x_1", &object)
        }
    }

    fn acts(actor: ActorKind, events: Vec<IdentityEvent>) -> Vec<Act> {
        let organization = OrganizationId::earliest(chrono::DateTime::UNIX_EPOCH);
        let cause = Cause::new(actor, "key_1", "r");
        let events: Vec<_> = events
            .into_iter()
            .map(|event| (organization, event, cause.clone()))
            .collect();
        Act::of_transaction(&events, Vec::new())
    }

    fn actions(acts: &[Act]) -> Vec<&str> {
        acts.iter().map(|act| act.action).collect()
    }

    #[test]
    fn what_went_with_a_deletion_is_no_act() {
        let gone = |kind| event(kind, json!({"id": "x_1"}), None);
        let all = vec![
            gone(EventType::SessionRevoked),
            gone(EventType::UserDeleted),
            gone(EventType::GroupDeleted),
            gone(EventType::DirectoryDeleted),
        ];
        let of_key = |events: &[IdentityEvent]| acts(ActorKind::ApiKey, events.to_vec());
        assert_eq!(actions(&of_key(&all)), ["directory.deleted"]);
        assert_eq!(actions(&of_key(&all[..2])), ["user.deleted"]);
        assert_eq!(actions(&of_key(&all[..1])), ["session.revoked"]);
        assert_eq!(of_key(&all[..1])[0].before, None);
        assert!(acts(ActorKind::Directory, all).is_empty());
    }

    #[test]
    fn a_weaker_setting_leaves_an_entry_of_its_own_once() {
        let weak = json!({"name": "A", "email_domain_policy": "any", "saml": {"allow_sha1": true}});
        let created = event(EventType::ConnectionCreated, weak.clone(), None);
        let acts_of = |event| acts(ActorKind::ApiKey, vec![event]);
        let both = ["connection.created", "connection.exception_allowed"];
        assert_eq!(actions(&acts_of(created)), both);

        let moved = json!({"saml": {"alternate_sp_entity_id": "https://old.example/"}});
        let kept = json!({"saml": {"alternate_sp_entity_id": null}});
        assert!(weakens(
            "saml.alternate_sp_entity_id",
            &moved["saml"]["alternate_sp_entity_id"]
        ));
        assert!(!weakens(
            "saml.alternate_sp_entity_id",
            &kept["saml"]["alternate_sp_entity_id"]
        ));
        let switched = json!({"saml": {"allow_sha1": false}});
        let updated = event(EventType::ConnectionUpdated, weak.clone(), Some(switched));
        let found = acts_of(updated);
        assert_eq!(found[1].after, Some(json!({"saml.allow_sha1": true})));
        assert_eq!(found[1].before, Some(json!({"saml.allow_sha1": false})));

        let renamed = json!({"name": "B"});
        let updated = event(EventType::ConnectionUpdated, weak, Some(renamed));
        assert_eq!(actions(&acts_of(updated)), ["connection.updated"]);
    }

    #[test]
    fn only_the_fields_that_changed_are_kept() {
        let cause = Cause::system("test");
        let act = Act::new("role.updated", "admin", &cause).changed(
            &json!({"name": "A", "priority": 1, "updated_at": 1}),
            &json!({"name": "A", "priority": 2, "updated_at": 2}),
        );
        assert_eq!(act.before, Some(json!({"priority": 1})));
        assert_eq!(act.after, Some(json!({"priority": 2})));
    }
}
