//! Certificates of identity providers and client secrets at them that end soon, or have: told once each, long
//! enough before.

use chrono::{DateTime, TimeDelta, Utc};
use connectors::Settings;
use connectors::saml::{CertificateInfo, parse_certificate};

use super::upkeep::BATCH;
use super::{event, view};
use crate::app::App;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::model::{
    Cause, CertificateNotice, Connection, ConnectionState, ConnectionView, EventType,
    IdentityEvent, Timestamp,
};
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
    let ends = ends(&connection);
    for end in &ends {
        let days = passed(end.at, now.0);
        // Of several that are due at once the last says it all.
        let Some(last) = days.last().copied() else {
            continue;
        };
        let news = upkeep::note(&tx, scope, id, &end.key, &[last], now).await?;
        upkeep::note(&tx, scope, id, &end.key, &days, now).await?;
        if news {
            let view = view(app, &tx, scope, &connection).await?;
            let event = end.event(&view, last);
            tx.record(scope, event, &Cause::system("certificate_notices"));
        }
    }
    let next = ends
        .iter()
        .flat_map(|end| DAYS.map(|days| end.at - TimeDelta::days(days)))
        .filter(|at| *at > now.0)
        .min();
    upkeep::look_again(&tx, scope, id, next.map(Timestamp)).await?;
    tx.commit().await?;
    Ok(())
}

/// Something that ends.
struct End {
    /// What its notices are remembered by.
    key: String,
    at: DateTime<Utc>,
    /// `None` for the client secret.
    certificate: Option<CertificateInfo>,
}

impl End {
    fn event(&self, view: &ConnectionView, days_left: i64) -> IdentityEvent {
        let Some(certificate) = &self.certificate else {
            return match days_left {
                0 => event(EventType::ConnectionClientSecretExpired, view),
                _ => event(EventType::ConnectionClientSecretExpiring, view),
            };
        };
        let event_type = match days_left {
            0 => EventType::ConnectionCertificateExpired,
            _ => EventType::ConnectionCertificateExpiring,
        };
        event(event_type, view).with_certificate(CertificateNotice {
            fingerprint: certificate.fingerprint.clone(),
            subject: certificate.subject.clone(),
            not_after: Timestamp(certificate.not_after),
            days_left,
        })
    }
}

/// What a sign-in may depend on: a draft has time, and activating has it looked at again.
fn ends(connection: &Connection) -> Vec<End> {
    if connection.state != ConnectionState::Active {
        return Vec::new();
    }
    match &connection.settings {
        Settings::Saml(saml) => saml
            .certificates
            .iter()
            .filter_map(|pem| parse_certificate(pem.as_bytes()).ok())
            .map(|certificate| End {
                key: certificate.fingerprint.clone(),
                at: certificate.not_after,
                certificate: Some(certificate),
            })
            .collect(),
        Settings::Oidc(oidc) => {
            let end = |at: DateTime<Utc>| End {
                key: format!("client_secret {}", at.timestamp()),
                at,
                certificate: None,
            };
            oidc.client_secret_expires_at.map(end).into_iter().collect()
        }
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
