//! From a SCIM user to the application's user: who it is, and what is known about it.

use std::collections::BTreeMap;

use scim::User;
use scim::schema::ENTERPRISE_USER;
use serde_json::Value;

use super::Push;
use crate::error::Error;
use crate::flows::discovery::domain_of_email;
use crate::ids::UserId;
use crate::model::{Email, Profile};
use crate::store::Tx;
use crate::store::users::{self, JoinKey, UserRecord};

/// The user without a directory whom this resource is about: the one with its external id, or with its
/// email where the organization verified the domain.
pub(super) async fn find_to_join(
    push: &Push,
    tx: &Tx,
    record: &UserRecord,
) -> Result<Option<UserId>, Error> {
    let organization = push.organization();
    let verified = |email: &&str| {
        domain_of_email(email)
            .is_some_and(|domain| push.app.store.owns_domain(organization, &domain))
    };
    let key = JoinKey {
        external_id: record.external_id.as_deref(),
        verified_email: record.email.as_deref().filter(verified),
        without_directory: true,
    };
    Ok(users::find_to_join(tx, organization, key).await?)
}

/// The directory's word about a person.
pub(super) fn record_of(user: &User) -> UserRecord {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    UserRecord {
        external_id: owned(user.external_id()),
        active: user.active(),
        user_name: Some(user.user_name().to_owned()),
        email: email_of(user),
        profile: Profile {
            emails: emails_of(user),
            name: user.full_name(),
            given_name: owned(user.given_name()),
            family_name: owned(user.family_name()),
            display_name: owned(user.display_name()),
            job_title: owned(user.title()),
            department: owned(user.department()),
            locale: owned(user.locale()),
            timezone: owned(user.timezone()),
            manager: owned(user.manager()),
            attributes: attributes_of(user),
        },
    }
}

/// Most directories use the address as the name, and some send it nowhere else.
fn email_of(user: &User) -> Option<String> {
    let name = Some(user.user_name()).filter(|name| domain_of_email(name).is_some());
    user.email().or(name).map(str::to_owned)
}

fn emails_of(user: &User) -> Vec<Email> {
    let emails = user.emails().map(|email| Email {
        value: email.value.to_owned(),
        kind: email.kind.map(str::to_owned),
        primary: email.primary,
    });
    emails.collect()
}

/// What has no field of its own: the rest of the enterprise extension by its names in snake_case, and the
/// extensions of others by their URN, as they are.
fn attributes_of(user: &User) -> BTreeMap<String, Value> {
    const ENTERPRISE: [(&str, &str); 4] = [
        ("employeeNumber", "employee_number"),
        ("costCenter", "cost_center"),
        ("organization", "organization"),
        ("division", "division"),
    ];
    let enterprise = user.attributes().get(ENTERPRISE_USER.urn);
    let known = ENTERPRISE.iter().filter_map(|(name, ours)| {
        let value = enterprise?.get(name)?.clone();
        Some(((*ours).to_owned(), value))
    });
    let custom = user.custom_extensions();
    known
        .chain(custom.map(|(urn, value)| (urn.to_owned(), value.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(body: Value) -> UserRecord {
        record_of(&User::parse(&body, &Default::default()).unwrap())
    }

    #[test]
    fn an_entra_user_becomes_a_record() {
        let record = record(json!({
            "externalId": "ext-1",
            "userName": "ada@acme.example",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [
                {"type": "home", "value": "ada@home.example"},
                {"type": "work", "value": "Ada@acme.example", "primary": "True"},
            ],
            "title": "Engineer",
            ENTERPRISE_USER.urn: {"department": "R&D", "employeeNumber": "7", "manager": "dusr_1"},
            "urn:acme:1.0:User": {"badge": "9"},
        }));
        assert_eq!(record.email.as_deref(), Some("Ada@acme.example"));
        assert_eq!(record.profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(record.profile.department.as_deref(), Some("R&D"));
        assert_eq!(record.profile.manager.as_deref(), Some("dusr_1"));
        assert_eq!(record.profile.attributes["employee_number"], "7");
        assert_eq!(
            record.profile.attributes["urn:acme:1.0:User"],
            json!({"badge": "9"})
        );
        assert!(record.active);
    }

    #[test]
    fn a_name_that_is_an_address_is_the_email_where_none_is_given() {
        let email = |name: &str| record(json!({"userName": name})).email;
        assert_eq!(
            email("ada@acme.example").as_deref(),
            Some("ada@acme.example")
        );
        assert_eq!(email("ada"), None);
    }
}
