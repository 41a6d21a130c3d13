//! Organizations: made, changed, and removed with everything in them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{connections, directories, domains, roles};
use crate::app::App;
use crate::error::Error;
use crate::ids::OrganizationId;
use crate::model::{
    Cause, EventType, IdentityEvent, Organization, OrganizationDomain, RolePolicy, Timestamp,
};
use crate::store::{self, OrgScope, Reads, Tx, organizations, sessions, users};

/// What a DNS label may hold, so that a slug can be a subdomain of the application.
pub const MAX_SLUG: usize = 63;

/// What the caller decides of a new organization; the fields are checked.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    pub name: String,
    /// Made from the name when absent.
    pub slug: Option<String>,
    pub external_id: Option<String>,
    /// Canonical. The application vouches for them: they are verified at once.
    pub domains: Vec<String>,
    pub metadata: BTreeMap<String, Value>,
}

/// # Errors
/// `slug_taken`, `external_id_taken`, `domain_taken`.
pub async fn create(
    app: &App,
    tx: &Tx,
    new: NewOrganization,
    cause: &Cause,
) -> Result<Organization, Error> {
    let slug = match new.slug {
        Some(slug) => slug,
        None => free_slug(app, tx, &new.name).await?,
    };
    let now = Timestamp::from(app.clock.now());
    let mut organization = Organization {
        id: OrganizationId::generate(&*app.clock, &*app.entropy),
        name: new.name,
        slug,
        external_id: new.external_id,
        metadata: new.metadata,
        role_policy: RolePolicy::default(),
        domains: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let scope = organizations::insert(tx, &app.vault, &organization).await?;
    tx.record(
        &scope,
        event(EventType::OrganizationCreated, &organization),
        cause,
    );
    // In the order in which the organization is read back: two ids of one millisecond have none.
    let mut wanted = new.domains;
    wanted.sort();
    for domain in wanted {
        let domain =
            domains::add(app, tx, &scope, domains::NewDomain::trusted(domain), cause).await?;
        organization.domains.push(OrganizationDomain {
            id: domain.id,
            domain: domain.domain,
            state: domain.state,
        });
    }
    Ok(organization)
}

/// Writes `after` where it differs. The answer is how it is now.
///
/// # Errors
/// `slug_taken`, `external_id_taken`.
pub async fn update(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    before: &Organization,
    mut after: Organization,
    cause: &Cause,
) -> Result<Organization, Error> {
    after.updated_at = app.clock.now().into();
    let id = after.id;
    let change = IdentityEvent::change(EventType::OrganizationUpdated, "", id, before, &after);
    let Some(event) = change else {
        return Ok(before.clone());
    };
    organizations::update(tx, scope, &after).await?;
    tx.record(scope, event, cause);
    if after.role_policy != before.role_policy {
        roles::recompute_organization(tx, scope, cause).await?;
    }
    Ok(after)
}

/// Removes the organization with everything in it, whose events come first. Its events stay readable.
pub async fn remove(app: &App, tx: &Tx, scope: &OrgScope, cause: &Cause) -> Result<(), Error> {
    let organization = organizations::lock(tx, scope)
        .await?
        .ok_or(Error::NotFound("organization"))?;
    for directory in store::directories::all(tx, scope).await? {
        directories::remove(app, tx, scope, directory.id, cause).await?;
    }
    for connection in store::connections::all(tx, scope).await? {
        connections::remove(app, tx, scope, connection.id, cause).await?;
    }
    let now = Timestamp::from(app.clock.now());
    let ids = users::of_organization(tx, scope).await?;
    let users = users::lock(tx, scope, &ids).await?;
    sessions::end_sessions_of_users(tx, scope, &ids, "", cause, now).await?;
    for user in users {
        let event = IdentityEvent::new(EventType::UserDeleted, "", user.id, &user);
        tx.record(scope, event, cause);
    }
    store::users::remove(tx, scope, &ids).await?;
    for domain in store::domains::all(tx, scope).await? {
        domains::remove(tx, scope, &domain, cause).await?;
    }
    tx.record(
        scope,
        event(EventType::OrganizationDeleted, &organization),
        cause,
    );
    store::webhook_endpoints::remove_all(tx, scope).await?;
    organizations::remove(tx, scope).await?;
    tx.touch_config(scope);
    Ok(())
}

fn event(event_type: EventType, organization: &Organization) -> IdentityEvent {
    IdentityEvent::new(event_type, "", organization.id, organization)
}

async fn free_slug(app: &App, db: &impl Reads, name: &str) -> Result<String, Error> {
    let slug = slug_of(name);
    if !organizations::slug_exists(db, &slug).await? {
        return Ok(slug);
    }
    let random = u32::from_le_bytes(app.entropy.bytes::<4>());
    let slug = slug
        .get(..MAX_SLUG - 9)
        .unwrap_or(&slug)
        .trim_end_matches('-');
    Ok(format!("{slug}-{random:08x}"))
}

/// Lower-case ASCII letters and digits, with one hyphen for whatever stands between them.
fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(MAX_SLUG);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "organization".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_label_made_of_the_name() {
        assert_eq!(slug_of("Acme, Inc."), "acme-inc");
        assert_eq!(slug_of("  Müller & Söhne 24 "), "m-ller-s-hne-24");
        assert_eq!(slug_of("日本"), "organization");
        assert_eq!(slug_of(&"a".repeat(99)).len(), MAX_SLUG);
    }
}
