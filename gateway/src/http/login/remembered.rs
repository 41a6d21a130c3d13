//! Where this browser signed in before (PORTAL H2): a signed cookie that names connections, nothing secret. It
//! only ever offers; whoever may sign in is the identity provider's word.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use poem::http::header;
use poem::web::cookie::{Cookie, SameSite};
use poem::{Request, Response};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::flows::discovery;
use crate::http::browser::cookie_values;
use crate::http::pages::RememberedChoice;
use crate::ids::{ApplicationId, ConnectionId, OrganizationId};

/// Kept so long after the last sign-in.
const DAYS: u64 = 180;
const MOST: usize = 3;
/// Longest name that is kept, in characters: all of it must fit into a cookie.
const MAX_NAME: usize = 80;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "a")]
    application: ApplicationId,
    #[serde(rename = "o")]
    organization: OrganizationId,
    #[serde(rename = "c")]
    connection: ConnectionId,
    #[serde(rename = "n")]
    name: String,
    /// Where the person asked for it.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// What one browser remembers, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered(Vec<Entry>);

impl Remembered {
    /// What this browser sent, if we signed it.
    pub(crate) fn of(app: &App, request: &Request) -> Self {
        cookie_values(request, cookie_name(app))
            .find_map(|value| Self::parse(app, value))
            .unwrap_or_default()
    }

    fn parse(app: &App, value: &str) -> Option<Self> {
        let (payload, signature) = value.split_once('.')?;
        let expected = sign(app, payload);
        if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
            return None;
        }
        let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice(&json).ok().map(Self)
    }

    /// Those of this application whose connection still signs people in.
    pub(crate) fn choices(&self, app: &App, application: ApplicationId) -> Vec<RememberedChoice> {
        self.0
            .iter()
            .filter(|entry| entry.application == application)
            .filter_map(|entry| {
                let scope = app.store.organization_named(entry.organization);
                let connection = discovery::active(app, &scope, entry.connection)?;
                Some(RememberedChoice {
                    connection_id: entry.connection.to_string(),
                    org: entry.name.clone(),
                    connection: connection.name.into(),
                    email: entry.email.clone().unwrap_or_default(),
                })
            })
            .collect()
    }

    pub(crate) fn knows(&self, connection: ConnectionId) -> bool {
        self.0.iter().any(|entry| entry.connection == connection)
    }

    /// The email that the person had us keep for this connection.
    pub(crate) fn email(&self, connection: ConnectionId) -> Option<&str> {
        let entry = self.0.iter().find(|entry| entry.connection == connection)?;
        entry.email.as_deref()
    }

    /// Puts a choice in front. An email that was kept stays.
    pub(crate) fn put(
        &mut self,
        application: ApplicationId,
        (organization, name): (OrganizationId, &str),
        connection: ConnectionId,
        email: Option<String>,
    ) {
        let same =
            |entry: &Entry| entry.application == application && entry.connection == connection;
        let old = self.0.iter().position(same).map(|at| self.0.remove(at));
        let entry = Entry {
            application,
            organization,
            connection,
            name: name.chars().take(MAX_NAME).collect(),
            email: email.or(old.and_then(|old| old.email)),
        };
        self.0.insert(0, entry);
        self.0.truncate(MOST);
    }

    pub(crate) fn set(&self, app: &App, response: &mut Response) {
        let json = serde_json::to_vec(&self.0).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.encode(json);
        let value = format!("{payload}.{}", sign(app, &payload));
        set_cookie(app, &value, DAYS, response);
    }

    pub(crate) fn forget(app: &App, response: &mut Response) {
        set_cookie(app, "", 0, response);
    }
}

fn cookie_name(app: &App) -> &'static str {
    if app.public_url.is_secure() {
        "__Host-lc"
    } else {
        "lc"
    }
}

fn sign(app: &App, payload: &str) -> String {
    app.vault.hash(&format!("remembered:{payload}"))
}

fn set_cookie(app: &App, value: &str, days: u64, response: &mut Response) {
    let mut cookie = Cookie::new_with_str(cookie_name(app), value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(app.public_url.is_secure());
    cookie.set_max_age(std::time::Duration::from_secs(days * 24 * 60 * 60));
    if let Ok(value) = cookie.to_string().parse() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
