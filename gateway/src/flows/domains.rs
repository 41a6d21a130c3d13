//! Email domains: what may be one, and its proof by DNS (SECURITY-MODEL G3).

use crate::app::App;
use crate::error::Error;
use crate::flows::discovery::canonical_domain;
use crate::ids::DomainId;
use crate::model::{Cause, Domain, DomainState, EventType, IdentityEvent, Timestamp};
use crate::store::{OrgScope, Tx, domains};

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

/// Adds a domain. A trusted one is verified at once, since the application vouches for it.
///
/// # Errors
/// `domain_taken` when another organization holds it: then a proof could not end well.
pub async fn add(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    domain: String,
    trusted: bool,
    cause: &Cause,
) -> Result<Domain, Error> {
    let holder = domains::holder(tx, &domain).await?;
    if holder.is_some_and(|holder| holder != scope.organization()) {
        return Err(Error::conflict(
            "domain_taken",
            format!("another organization holds {domain}"),
        ));
    }
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
        txt_record: domains::txt_record(&domain, &token),
        verified_at: trusted.then_some(now),
        created_at: now,
        updated_at: now,
        domain,
    };
    domains::insert(tx, scope, &domain, &token).await?;
    tx.record(scope, event(EventType::DomainCreated, &domain), cause);
    if trusted {
        tx.record(scope, event(EventType::DomainVerified, &domain), cause);
    }
    Ok(domain)
}

/// Writes what looking for the TXT record found. A domain that is verified already stays so: losing the proof
/// is the daily check's business, which gives grace.
pub async fn conclude(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: DomainId,
    proven: bool,
    cause: &Cause,
) -> Result<Domain, Error> {
    let before = domains::find(tx, scope, id)
        .await?
        .ok_or(Error::NotFound("domain"))?;
    if before.state == DomainState::Verified {
        return Ok(before);
    }
    let now = Timestamp::from(app.clock.now());
    let (state, verified_at) = if proven {
        (DomainState::Verified, Some(now))
    } else {
        (DomainState::Failed, None)
    };
    let mut after = Domain {
        state,
        verified_at,
        ..before.clone()
    };
    if after != before {
        after.updated_at = now;
    }
    domains::update(tx, scope, &after, now).await?;
    let event_type = if proven {
        EventType::DomainVerified
    } else {
        EventType::DomainFailed
    };
    if let Some(event) = IdentityEvent::change(event_type, source(id), id, &before, &after) {
        tx.record(scope, event, cause);
    }
    Ok(after)
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
