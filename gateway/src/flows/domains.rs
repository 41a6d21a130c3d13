//! Email domains: what may be one, and its proof by DNS (SECURITY-MODEL G3).

mod proof;
pub mod recheck;
mod verdict;

use crate::app::App;
use crate::egress::DnsError;
use crate::error::Error;
use crate::flows::discovery::canonical_domain;
use crate::ids::{ConnectionId, DomainId};
use crate::model::{
    Act, ActorKind, Cause, Domain, DomainCheckResult, DomainState, EventType, IdentityEvent,
    Timestamp,
};
use crate::store::{OrgScope, Tx, connections, domains};

pub use proof::{Look, look};
pub use verdict::Occasion;

/// Mailbox hosts: whoever can open an account there would prove nothing about the other users.
static PUBLIC_MAILBOXES: &str = include_str!("domains/public_mailboxes.txt");

/// Why a text can't be the email domain of one organization.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainRefused {
    #[error("{0:?} is not a domain name")]
    NotADomain(String),
    #[error("{0} is a public suffix, under which anybody can register")]
    PublicSuffix(String),
    #[error("{0} gives mailboxes to anybody")]
    PublicMailbox(String),
}

/// The canonical form (A-label, lower case, no trailing dot) of a domain that one organization can own.
pub fn parse(domain: &str) -> Result<String, DomainRefused> {
    let canonical = canonical_domain(domain)
        .filter(|name| name.parse::<std::net::IpAddr>().is_err())
        .ok_or_else(|| DomainRefused::NotADomain(domain.chars().take(64).collect()))?;
    let registrable = addr::parse_domain_name(&canonical).is_ok_and(|name| name.root().is_some());
    if !registrable {
        return Err(DomainRefused::PublicSuffix(canonical));
    }
    let mailboxes = PUBLIC_MAILBOXES
        .lines()
        .filter(|line| !line.starts_with('#'));
    for host in mailboxes {
        let below = canonical.strip_suffix(host);
        if below.is_some_and(|below| below.is_empty() || below.ends_with('.')) {
            return Err(DomainRefused::PublicMailbox(canonical));
        }
    }
    Ok(canonical)
}

/// What the caller says of a new domain.
#[derive(Debug, Clone)]
pub struct NewDomain {
    /// As [`parse`] gives it.
    pub domain: String,
    /// The application vouches for it.
    pub trusted: bool,
    pub include_subdomains: bool,
    pub connection_id: Option<ConnectionId>,
}

impl NewDomain {
    pub fn trusted(domain: String) -> Self {
        Self {
            domain,
            trusted: true,
            include_subdomains: false,
            connection_id: None,
        }
    }
}

/// Adds a domain. A trusted one is verified at once, since the application vouches for it.
///
/// # Errors
/// `domain_taken` when another organization holds it: then a proof could not end well. Where that one's record
/// is gone, a proof can (G3: a takeover needs a new proof).
pub async fn add(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    new: NewDomain,
    cause: &Cause,
) -> Result<Domain, Error> {
    let NewDomain {
        domain, trusted, ..
    } = new;
    if let Some((holder, held)) = domains::holder(tx, &domain).await?
        && holder != *scope
        && (trusted || held.missing_since.is_none())
    {
        return Err(domains::taken(&domain));
    }
    check_connection(tx, scope, new.connection_id).await?;
    let now = Timestamp::from(app.clock.now());
    let token = app.entropy.token();
    let domain = Domain {
        id: DomainId::generate(&*app.clock, &*app.entropy),
        organization_id: scope.organization(),
        state: if trusted {
            DomainState::Verified
        } else {
            DomainState::Pending
        },
        trusted,
        include_subdomains: new.include_subdomains,
        connection_id: new.connection_id,
        txt_record: domains::txt_record(&domain, &token),
        verified_at: trusted.then_some(now),
        missing_since: None,
        last_check: None,
        created_at: now,
        updated_at: now,
        domain,
    };
    let next = verdict::next_check_at(&domain, now);
    domains::insert(tx, scope, &domain, &token, next).await?;
    tx.record(scope, event(EventType::DomainCreated, &domain), cause);
    if trusted {
        tx.record(scope, event(EventType::DomainVerified, &domain), cause);
    }
    Ok(domain)
}

/// What is to change in how a domain routes; absent leaves it.
#[derive(Debug, Clone, Default)]
pub struct DomainChange {
    pub include_subdomains: Option<bool>,
    pub connection_id: Option<Option<ConnectionId>>,
}

/// Changes how a domain routes. No event tells of it: nothing about people or proof has changed.
pub async fn change(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: DomainId,
    change: DomainChange,
    cause: &Cause,
) -> Result<Domain, Error> {
    let before = locked(tx, scope, id).await?;
    check_connection(tx, scope, change.connection_id.flatten()).await?;
    let mut after = before.clone();
    if let Some(include) = change.include_subdomains {
        after.include_subdomains = include;
    }
    if let Some(connection) = change.connection_id {
        after.connection_id = connection;
    }
    if after == before {
        return Ok(before);
    }
    after.updated_at = Timestamp::from(app.clock.now());
    domains::update_routing(tx, scope, &after).await?;
    let act = Act::new("domain.updated", id, cause).inside(scope.organization());
    tx.audit(act.changed(&before, &after));
    Ok(after)
}

async fn check_connection(
    tx: &Tx,
    scope: &OrgScope,
    connection: Option<ConnectionId>,
) -> Result<(), Error> {
    let Some(id) = connection else { return Ok(()) };
    match connections::find(tx, scope, id).await? {
        Some(_) => Ok(()),
        None => Err(Error::invalid(
            "connection_id",
            "is no connection of this organization",
        )),
    }
}

async fn locked(tx: &Tx, scope: &OrgScope, id: DomainId) -> Result<Domain, Error> {
    domains::lock(tx, scope, id)
        .await?
        .ok_or(Error::NotFound("domain"))
}

/// Writes what looking for the TXT record found, and tells of it where the state changes.
///
/// # Errors
/// `domain_taken`, to somebody who asked, when another organization holds the domain and its proof stands.
pub async fn conclude(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: DomainId,
    look: &Result<Look, DnsError>,
    occasion: Occasion,
    cause: &Cause,
) -> Result<Domain, Error> {
    let before = locked(tx, scope, id).await?;
    let now = Timestamp::from(app.clock.now());
    let mut check = match look {
        Ok(look) => look.check.clone(),
        Err(error) => proof::unanswered(&before, error, now),
    };
    if let Ok(look) = look
        && look.proven()
        && before.state != DomainState::Verified
        && !take_over(app, tx, scope, &before, look, cause).await?
    {
        if occasion == Occasion::Asked {
            return Err(domains::taken(&before.domain));
        }
        check.result = DomainCheckResult::Taken;
        check.message =
            "Another organization has proven this domain, and its record is still there.".into();
    }
    let Some(mut after) = verdict::of(&before, check, occasion, now) else {
        return Ok(before);
    };
    if after.state != before.state {
        after.updated_at = now;
    }
    let next = verdict::next_check_at(&after, now);
    domains::update(tx, scope, &before, &after, next).await?;
    record_change(tx, scope, &before, &after, cause);
    Ok(after)
}

/// Makes way for this organization's proof. False when another one holds the domain rightly: the application
/// vouches for it, or its own record is there too.
async fn take_over(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    domain: &Domain,
    look: &Look,
    cause: &Cause,
) -> Result<bool, Error> {
    let Some((holder, held)) = domains::holder(tx, &domain.domain).await? else {
        return Ok(true);
    };
    if holder == *scope {
        return Ok(true);
    }
    if held.trusted || look.shows(&held.txt_record.value) {
        return Ok(false);
    }
    let now = Timestamp::from(app.clock.now());
    let lost = verdict::lost(&held, now);
    let next = verdict::next_check_at(&lost, now);
    domains::update(tx, &holder, &held, &lost, next).await?;
    // The act is nobody's in that organization, and its old owner does not learn whose it was.
    let system = Cause::new(ActorKind::System, "tenon", &cause.request_id);
    record_change(tx, &holder, &held, &lost, &system);
    tracing::warn!(domain = %domain.domain, "a domain was taken over by a new proof");
    Ok(true)
}

fn record_change(tx: &Tx, scope: &OrgScope, before: &Domain, after: &Domain, cause: &Cause) {
    let event_type = match after.state {
        state if state == before.state => return,
        DomainState::Verified => EventType::DomainVerified,
        DomainState::Failed | DomainState::Pending => EventType::DomainFailed,
    };
    let id = after.id;
    if let Some(event) = IdentityEvent::change(event_type, source(id), id, before, after) {
        tx.record(scope, event, cause);
    }
}

pub async fn remove(
    tx: &Tx,
    scope: &OrgScope,
    domain: &Domain,
    cause: &Cause,
) -> Result<(), Error> {
    if !domains::remove(tx, scope, domain.id).await? {
        return Err(Error::NotFound("domain"));
    }
    tx.record(scope, event(EventType::DomainDeleted, domain), cause);
    Ok(())
}

fn event(event_type: EventType, domain: &Domain) -> IdentityEvent {
    IdentityEvent::new(event_type, source(domain.id), domain.id, domain)
}

fn source(id: DomainId) -> String {
    format!("/domains/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_canonical_form() {
        for (text, canonical) in [
            ("acme.example", "acme.example"),
            (" ACME.Example. ", "acme.example"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("a.b.acme.co.uk", "a.b.acme.co.uk"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(canonical));
        }
        for text in [
            "",
            "acme",
            "a b.example",
            "a..example",
            "-a.example",
            "10.0.0.1",
            "a@b.example",
            "*.acme.example",
        ] {
            assert!(
                matches!(parse(text), Err(DomainRefused::NotADomain(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_anybody_can_register_under_or_get_a_mailbox_at_is_refused() {
        for text in ["co.uk", "github.io", "com.au"] {
            assert!(
                matches!(parse(text), Err(DomainRefused::PublicSuffix(_))),
                "{text}"
            );
        }
        for text in ["gmail.com", "GMail.COM.", "eu.outlook.com", "proton.me"] {
            assert!(
                matches!(parse(text), Err(DomainRefused::PublicMailbox(_))),
                "{text}"
            );
        }
        assert!(parse("notgmail.com").is_ok());
    }
}
