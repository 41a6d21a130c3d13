//! Certificates of identity providers that end soon, or have: told once each, long enough before.

use chrono::{DateTime, TimeDelta, Utc};
use connectors::Settings;
use connectors::saml::{CertificateInfo, parse_certificate};

use super::upkeep::BATCH;
use super::{event, view};
use crate::app::App;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::model::{Cause, CertificateNotice, Connection, ConnectionState, EventType, Timestamp};
use crate::store::connection_upkeep::{self as upkeep, Due};
use crate::store::{OrgScope, connections};

/// Days before the end at which a notice goes out, and the end itself.
const DAYS: [i64; 7] = [60, 30, 14, 7, 3, 1, 0];

/// Gives the notices that are due.
pub(super) async fn notify_due(app: &App) -> Result<(), Error> {
    let now = Timestamp(app.clock.now());
    for (scope, id) in upkeep::due(&app.store.read(), Due::Notices, now, BATCH).await? {
        if app.drain.has_begun() {
            return Ok(());
        }
        notify(app, &scope, id, now).await?;
    }
    Ok(())
}

/// One transaction: what is noted as told and the events that tell it.
async fn notify(
    app: &App,
    scope: &OrgScope,
    id: ConnectionId,
    now: Timestamp,
) -> Result<(), Error> {
    let tx = app.store.begin().await?;
    if !upkeep::claim(&tx, scope, id, Due::Notices, now, now).await? {
        return Ok(());
    }
    let Some(connection) = connections::lock(&tx, scope, id).await? else {
        return Ok(());
    };
    let certificates = certificates(&connection);
    for certificate in &certificates {
        let days = passed(certificate.not_after, now.0);
        // Of several that are due at once the last says it all.
        let Some(last) = days.last().copied() else {
            continue;
        };
        let news = upkeep::note(&tx, scope, id, &certificate.fingerprint, &[last], now).await?;
        upkeep::note(&tx, scope, id, &certificate.fingerprint, &days, now).await?;
        if news {
            let event_type = match last {
                0 => EventType::ConnectionCertificateExpired,
                _ => EventType::ConnectionCertificateExpiring,
            };
            let view = view(app, &tx, scope, &connection).await?;
            let event = event(event_type, &view).with_certificate(CertificateNotice {
                fingerprint: certificate.fingerprint.clone(),
                subject: certificate.subject.clone(),
                not_after: Timestamp(certificate.not_after),
                days_left: last,
            });
            tx.record(scope, event, &Cause::system("certificate_notices"));
        }
    }
    let next = certificates
        .iter()
        .flat_map(|certificate| DAYS.map(|days| certificate.not_after - TimeDelta::days(days)))
        .filter(|at| *at > now.0)
        .min();
    upkeep::look_again(&tx, scope, id, next.map(Timestamp)).await?;
    tx.commit().await?;
    Ok(())
}

/// Those that a sign-in may depend on: a draft has time, and activating has them looked at again.
fn certificates(connection: &Connection) -> Vec<CertificateInfo> {
    match &connection.settings {
        Settings::Saml(saml) if connection.state == ConnectionState::Active => saml
            .certificates
            .iter()
            .filter_map(|pem| parse_certificate(pem.as_bytes()).ok())
            .collect(),
        _ => Vec::new(),
    }
}

/// The notices whose time has come, the last one last.
fn passed(not_after: DateTime<Utc>, now: DateTime<Utc>) -> Vec<i64> {
    DAYS.into_iter()
        .filter(|days| not_after - TimeDelta::days(*days) <= now)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_due_from_its_day_on() {
        let end = DateTime::parse_from_rfc3339("2027-01-31T00:00:00Z").unwrap();
        let end = end.to_utc();
        let at = |before: TimeDelta| passed(end, end - before);
        assert!(at(TimeDelta::days(61)).is_empty());
        assert_eq!(at(TimeDelta::days(60)), [60]);
        assert_eq!(at(TimeDelta::days(15)), [60, 30]);
        assert_eq!(at(TimeDelta::hours(25)), [60, 30, 14, 7, 3]);
        assert_eq!(at(TimeDelta::zero()), DAYS);
        assert_eq!(at(TimeDelta::days(-400)), DAYS);
    }
}
