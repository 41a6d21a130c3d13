//! What a look at DNS makes of a domain's state (SECURITY-MODEL G3): pure.

use chrono::TimeDelta;

use crate::model::{Domain, DomainCheck, DomainCheckResult, DomainState, Timestamp};

/// How long a proven domain goes on routing without its record.
const GRACE: TimeDelta = TimeDelta::days(7);

/// How long a new domain is looked for by itself.
const PATIENCE: TimeDelta = TimeDelta::days(14);

/// Between two looks at a proven domain, or at one that was.
const DAILY: TimeDelta = TimeDelta::days(1);
const HOURLY: TimeDelta = TimeDelta::hours(1);

/// Why a domain is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody wants to know now.
    Asked,
    /// It was due.
    Routine,
}

/// The domain after a look. `None` when there is nothing to write: it is trusted, or all is as it was.
pub(super) fn of(
    before: &Domain,
    check: DomainCheck,
    occasion: Occasion,
    now: Timestamp,
) -> Option<Domain> {
    use DomainState::{Failed, Pending, Verified};
    if before.trusted {
        return None;
    }
    let mut after = before.clone();
    match (before.state, check.result) {
        (_, DomainCheckResult::Unavailable) => {}
        (Verified, DomainCheckResult::Found) => {
            if occasion == Occasion::Asked && before.missing_since.is_none() {
                return None;
            }
            after.missing_since = None;
        }
        (Pending | Failed, DomainCheckResult::Found) => {
            after.state = Verified;
            after.verified_at = Some(now);
            after.missing_since = None;
        }
        (Verified, _) => {
            let since = *after.missing_since.get_or_insert(now);
            if now.0 - since.0 >= GRACE {
                after.state = Failed;
                after.verified_at = None;
            }
        }
        (Pending, _) => {
            if occasion == Occasion::Asked || now.0 - before.created_at.0 >= PATIENCE {
                after.state = Failed;
            }
        }
        (Failed, _) => {}
    }
    after.last_check = Some(check);
    Some(after)
}

/// The domain of an organization whose record is gone, and which another one has proven.
pub(super) fn lost(held: &Domain, now: Timestamp) -> Domain {
    Domain {
        state: DomainState::Failed,
        verified_at: None,
        missing_since: held.missing_since.or(Some(now)),
        last_check: Some(DomainCheck {
            checked_at: now,
            result: DomainCheckResult::Taken,
            name: held.txt_record.name.clone(),
            found: Vec::new(),
            message: "The record is gone, and another organization has proven this domain.".into(),
        }),
        updated_at: now,
        ..held.clone()
    }
}

/// When the domain is looked at again by itself; never, once the application vouches for it or two weeks of
/// looking found nothing. One that was lost is looked for on: it routes again when the record is back.
pub(super) fn next_check_at(domain: &Domain, now: Timestamp) -> Option<Timestamp> {
    let unavailable = domain
        .last_check
        .as_ref()
        .is_some_and(|check| check.result == DomainCheckResult::Unavailable);
    let pause = if domain.trusted {
        return None;
    } else if domain.state == DomainState::Verified || domain.missing_since.is_some() {
        if unavailable { HOURLY } else { DAILY }
    } else if now.0 - domain.created_at.0 < PATIENCE {
        HOURLY
    } else {
        return None;
    };
    Some(Timestamp(now.0 + pause))
}
