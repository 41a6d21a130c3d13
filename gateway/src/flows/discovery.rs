//! Home-realm discovery: which connection signs this person in (CONTRACT section 4).
//!
//! Order: `connection_id`, `organization_id`, the domain of `login_hint`, `domain_hint`. Answered from memory;
//! it depends on the domain only, so it tells nothing about a person (SECURITY-MODEL G11).

use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::AuthorizeRequest;
use crate::ids::ConnectionId;
use crate::store::{DomainRoute, OrgScope, RoutedConnection, connections, global};

/// Where a sign-in goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Connection {
        scope: OrgScope,
        connection: ConnectionId,
    },
    /// Several active connections: the person chooses.
    Choose {
        scope: OrgScope,
        connections: Vec<RoutedConnection>,
    },
    /// Nothing was named: ask for the email.
    Ask,
    /// Something was named, and it leads nowhere.
    NoRoute,
}

/// Routes an authorization request.
pub async fn route(app: &App, request: &AuthorizeRequest) -> Result<Route, Error> {
    if let Some(id) = request.connection_id {
        let db = app.store.read();
        let Some(scope) = global::owner_of_connection(&db, id).await? else {
            return Ok(Route::NoRoute);
        };
        return Ok(match connections::find(&db, &scope, id).await? {
            Some(_) => Route::Connection {
                scope,
                connection: id,
            },
            None => Route::NoRoute,
        });
    }
    if let Some(id) = request.organization_id {
        let scope = app.store.organization_named(id);
        return Ok(of_organization(app, scope));
    }
    let domains = [
        request.login_hint.as_deref().and_then(domain_of_email),
        request.domain_hint.as_deref().and_then(canonical_domain),
    ];
    for domain in domains.into_iter().flatten() {
        let route = of_domain(app, &domain);
        if route != Route::NoRoute {
            return Ok(route);
        }
    }
    let nothing_named = request.login_hint.is_none() && request.domain_hint.is_none();
    Ok(if nothing_named {
        Route::Ask
    } else {
        Route::NoRoute
    })
}

/// The route of a canonical domain: to its own connection where it has one, else as its organization's.
pub fn of_domain(app: &App, domain: &str) -> Route {
    match app.store.route_of_domain(domain) {
        None => Route::NoRoute,
        Some(DomainRoute {
            scope,
            connection: None,
        }) => of_organization(app, scope),
        // While that connection is off nobody is sent to another one instead: its people are not known there.
        Some(DomainRoute {
            scope,
            connection: Some(id),
        }) => match active(app, &scope, id) {
            Some(_) => Route::Connection {
                scope,
                connection: id,
            },
            None => Route::NoRoute,
        },
    }
}

/// The route of an organization's slug, in whatever case it is typed.
pub async fn of_slug(app: &App, slug: &str) -> Result<Route, Error> {
    let slug = slug.trim().to_lowercase();
    let found = global::organization_of_slug(&app.store.read(), &slug).await?;
    Ok(found.map_or(Route::NoRoute, |scope| of_organization(app, scope)))
}

/// A connection of the organization, if it is active.
pub fn active(app: &App, scope: &OrgScope, id: ConnectionId) -> Option<RoutedConnection> {
    let connections = app.store.active_connections(scope);
    connections.into_iter().find(|known| known.id == id)
}

fn of_organization(app: &App, scope: OrgScope) -> Route {
    let connections = app.store.active_connections(&scope);
    match connections.as_slice() {
        [] => Route::NoRoute,
        [only] => Route::Connection {
            scope,
            connection: only.id,
        },
        _ => Route::Choose { scope, connections },
    }
}

/// The canonical domain of an email address: after the last `@`, as [`canonical_domain`] says. `None` when
/// the text is no address.
pub fn domain_of_email(email: &str) -> Option<String> {
    let email = email.trim();
    let (local, domain) = email.rsplit_once('@')?;
    if local.is_empty() || email.len() > 254 || email.chars().any(char::is_whitespace) {
        return None;
    }
    canonical_domain(domain)
}

/// IDNA A-label, lower case, no trailing dot (SECURITY-MODEL G3).
pub fn canonical_domain(domain: &str) -> Option<String> {
    let domain = domain.trim().trim_end_matches('.');
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    (!ascii.is_empty() && ascii.contains('.') && ascii.len() <= 253).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_have_one_canonical_form() {
        assert_eq!(
            domain_of_email("Pat@ACME.example."),
            Some("acme.example".to_owned())
        );
        assert_eq!(
            domain_of_email("a@b@münchen.example"),
            Some("xn--mnchen-3ya.example".to_owned())
        );
        for wrong in [
            "pat",
            "@acme.example",
            "pat@",
            "pat@acme",
            "p at@acme.example",
            "pat@a b.example",
        ] {
            assert_eq!(domain_of_email(wrong), None, "{wrong}");
        }
    }
}
