//! Home-realm discovery: which connection signs this person in (CONTRACT section 4).
//!
//! Order: `connection_id`, `organization_id`, the domain of `login_hint`, `domain_hint`. Answered from memory;
//! it depends on the domain only, so it tells nothing about a person (SECURITY-MODEL G11).

use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::AuthorizeRequest;
use crate::ids::ConnectionId;
pub use crate::model::canonical_domain;
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
    Ok(if goes_by_hint(request) {
        Route::NoRoute
    } else {
        Route::Ask
    })
}

/// Whether a domain decides where the request goes: then the answer tells of a domain whether it is a customer's.
pub fn goes_by_hint(request: &AuthorizeRequest) -> bool {
    let named = request.connection_id.is_some() || request.organization_id.is_some();
    !named && (request.login_hint.is_some() || request.domain_hint.is_some())
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

/// The canonical domain of an email address, as [`canonical_domain`] says. `None` when the text is no address: what
/// other software would take for two addresses, or for another one, signs nobody in and joins nobody.
pub fn domain_of_email(email: &str) -> Option<String> {
    let email = email.trim();
    let (local, domain) = email.rsplit_once('@')?;
    if email.len() > 254 || local.len() > 64 || !local.split('.').all(is_atom) {
        return None;
    }
    if domain.chars().any(char::is_whitespace) {
        return None;
    }
    canonical_domain(domain)
}

/// A part of a dot-string (RFC 5321 4.1.2), with what RFC 6531 3.3 adds. Quoted local parts are legal, and nobody
/// has one.
fn is_atom(part: &str) -> bool {
    let is_atext = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        ascii if ascii.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(ascii),
        other => !other.is_control() && !other.is_whitespace() && !is_invisible(other),
    };
    !part.is_empty() && part.chars().all(is_atext)
}

/// Zero-width characters, and those that turn the direction of the text around them.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
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
        for right in [
            "pat@münchen.example",
            "o'brien+x/y=z@münchen.example",
            "zoë.müller@münchen.example",
            " 100%@xn--mnchen-3ya.example ",
        ] {
            let domain = domain_of_email(right);
            assert_eq!(domain.as_deref(), Some("xn--mnchen-3ya.example"), "{right}");
        }
        for wrong in [
            "a@b@acme.example",
            "a,b@acme.example",
            "a;b@acme.example",
            "a:b@acme.example",
            "<pat@acme.example",
            "\"pat\"@acme.example",
            "pat\\x@acme.example",
            ".pat@acme.example",
            "p..at@acme.example",
            "pat.@acme.example",
            "pat\u{0}@acme.example",
            "pat\r@acme.example",
            "pat\u{a0}@acme.example",
            "pat\u{200b}@acme.example",
            "\u{202e}pat@acme.example",
            "pat@\u{2003}acme.example",
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
