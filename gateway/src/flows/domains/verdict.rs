//! What a look at DNS makes of a domain's state (SECURITY-MODEL G3): pure.

use chrono::TimeDelta;

use crate::model::{Domain, DomainCheck, DomainCheckResult, DomainState, Timestamp};

/// How long a proven domain goes on routing without its record.
const GRACE: TimeDelta = TimeDelta::days(7);

/// How long name servers may answer nothing before that counts as a missing record: a domain that was given up may
/// have none that would say so.
const SILENCE: TimeDelta = TimeDelta::days(7);

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
    mut check: DomainCheck,
    occasion: Occasion,
    now: Timestamp,
) -> Option<Domain> {
    use DomainState::{Failed, Pending, Verified};
    if before.trusted {
        return None;
    }
    let mut after = before.clone();
    let silent_before = before
        .last_check
        .as_ref()
        .filter(|last| last.result == DomainCheckResult::Unavailable);
    match (before.state, check.result) {
        (state, DomainCheckResult::Unavailable) => {
            let since = silent_before.and_then(|last| last.unanswered_since);
            let since = since.unwrap_or(check.checked_at);
            check.unanswered_since = Some(since);
            if state == Verified && now.0 - since.0 >= SILENCE {
                miss(&mut after, now);
            }
        }
        (Verified, DomainCheckResult::Found) => {
            let all_is_well = before.missing_since.is_none() && silent_before.is_none();
            if occasion == Occasion::Asked && all_is_well {
                return None;
            }
            after.missing_since = None;
        }
        (Pending | Failed, DomainCheckResult::Found) => {
            after.state = Verified;
            after.verified_at = Some(now);
            after.missing_since = None;
        }
        (Verified, _) => miss(&mut after, now),
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

/// The record of a verified domain is not there: its grace begins, or ends.
fn miss(domain: &mut Domain, now: Timestamp) {
    let since = *domain.missing_since.get_or_insert(now);
    if now.0 - since.0 >= GRACE {
        domain.state = DomainState::Failed;
        domain.verified_at = None;
    }
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
            unanswered_since: None,
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
