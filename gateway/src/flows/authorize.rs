//! The application's authorization request (RFC 6749 4.1.1, RFC 7636, OIDC Core 3.1.2.1), read strictly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::Error;
use crate::flows::tokens::signed_by_us;
use crate::ids::{ApplicationId, ConnectionId, OrganizationId, UserId};
use crate::model::{Application, ApplicationType};

/// Scopes that Tenon knows; others are ignored, as RFC 6749 3.3 allows.
pub const SCOPES: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "groups",
    "roles",
    "offline_access",
];

/// Longest `state`, `nonce` and `login_hint` that is carried along, in bytes.
const MAX_CARRIED: usize = 2048;

/// A checked authorization request, as the pending login keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeRequest {
    pub client_id: ApplicationId,
    pub redirect_uri: String,
    /// Logins that began before there was a choice have none.
    #[serde(default)]
    pub response_mode: ResponseMode,
    pub state: Option<String>,
    pub nonce: Option<String>,
    /// The known scopes, in the order asked for.
    pub scope: Vec<String>,
    /// S256 only.
    pub code_challenge: Option<String>,
    pub prompt: Vec<Prompt>,
    pub max_age: Option<u64>,
    pub acr_values: Vec<String>,
    pub login_hint: Option<String>,
    pub domain_hint: Option<String>,
    pub organization_id: Option<OrganizationId>,
    pub connection_id: Option<ConnectionId>,
    /// Nobody else may sign in (`id_token_hint`, OIDC Core 3.1.2.1).
    #[serde(default)]
    pub hinted_user: Option<UserId>,
}

/// How the answer reaches the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    #[default]
    Query,
    /// OAuth 2.0 Form Post Response Mode: the browser posts it, so that no log or history keeps it.
    FormPost,
}

/// Where and how the application hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub response_mode: ResponseMode,
}

/// OIDC Core 3.1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
}

impl AuthorizeRequest {
    pub fn return_to(&self) -> ReturnTo {
        ReturnTo {
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            response_mode: self.response_mode,
        }
    }

    pub fn is_passive(&self) -> bool {
        self.prompt.contains(&Prompt::None)
    }

    pub fn forces_authentication(&self) -> bool {
        self.prompt.contains(&Prompt::Login) || self.max_age == Some(0)
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.iter().any(|known| known == scope)
    }
}

/// Where an error may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizeError {
    /// `client_id` or `redirect_uri` can't be trusted: only the person is told (RFC 6749 4.1.2.1).
    Untrusted { code: &'static str, message: String },
    /// The application is told.
    Refused {
        return_to: ReturnTo,
        error: &'static str,
        description: String,
    },
}

/// The parameters, each at most once (RFC 6749 3.1), empty ones treated as absent.
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// # Errors
    /// The name of a parameter that stands twice.
    pub fn parse(query: &str) -> (Self, Option<String>) {
        let mut values = BTreeMap::new();
        let mut twice = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            if values
                .insert(name.to_string(), value.into_owned())
                .is_some()
            {
                twice.get_or_insert(name.into_owned());
            }
        }
        (Self(values), twice)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// As a query string again, without the parameters `left_out`, with `set` in their place.
    pub fn query_without(&self, left_out: &[&str], set: &[(&str, &str)]) -> String {
        let kept = self.0.iter().filter(|(name, _)| {
            !left_out.contains(&name.as_str()) && !set.iter().any(|(other, _)| other == name)
        });
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(set)
            .extend_pairs(kept)
            .finish()
    }
}

/// The `client_id` of a request, to find the application by.
pub fn client_id(parameters: &Parameters) -> Result<ApplicationId, AuthorizeError> {
    parameters
        .get("client_id")
        .and_then(|id| id.parse().ok())
        .ok_or_else(unknown_client)
}

pub fn unknown_client() -> AuthorizeError {
    AuthorizeError::Untrusted {
        code: "invalid_client",
        message:
            "The application that sent you here is not known: its client_id is missing or wrong."
                .to_owned(),
    }
}

/// Checks the request against the application that it names.
pub fn check(
    parameters: &Parameters,
    twice: Option<&str>,
    application: &Application,
) -> Result<AuthorizeRequest, AuthorizeError> {
    if matches!(twice, Some("client_id" | "redirect_uri")) {
        return Err(AuthorizeError::Untrusted {
            code: "invalid_request",
            message: "The request names its application or its redirect_uri twice.".to_owned(),
        });
    }
    let redirect_uri = trusted_redirect_uri(parameters.get("redirect_uri"), application)?;
    let state = parameters.get("state").map(str::to_owned);
    let response_mode = match parameters.get("response_mode") {
        None | Some("query") => Some(ResponseMode::Query),
        Some("form_post") => Some(ResponseMode::FormPost),
        Some(_) => None,
    };
    let return_to = ReturnTo {
        redirect_uri: redirect_uri.clone(),
        state: state.clone(),
        response_mode: response_mode.unwrap_or_default(),
    };
    let refuse = |error: &'static str, description: &str| AuthorizeError::Refused {
        return_to: return_to.clone(),
        error,
        description: description.to_owned(),
    };

    if let Some(name) = twice {
        return Err(refuse(
            "invalid_request",
            &format!("the parameter {name} stands twice"),
        ));
    }
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        // OIDC Core 3.1.2.6. `claims` may be passed over (5.5).
        ("registration", "registration_not_supported"),
    ] {
        if parameters.get(name).is_some() {
            return Err(refuse(error, &format!("{name} is not supported")));
        }
    }
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(refuse(
                "unsupported_response_type",
                "only response_type=code is supported",
            ));
        }
        None => return Err(refuse("invalid_request", "response_type is missing")),
    }
    let Some(response_mode) = response_mode else {
        return Err(refuse(
            "invalid_request",
            "response_mode must be query or form_post",
        ));
    };
    for name in ["state", "nonce", "login_hint", "domain_hint", "acr_values"] {
        if parameters
            .get(name)
            .is_some_and(|value| value.len() > MAX_CARRIED)
        {
            return Err(refuse(
                "invalid_request",
                &format!("{name} is longer than {MAX_CARRIED} bytes"),
            ));
        }
    }

    let scope = scopes(parameters.get("scope"));
    if !scope.iter().any(|known| known == "openid") {
        return Err(refuse("invalid_scope", "the scope openid is required"));
    }
    let code_challenge = code_challenge(parameters, application)
        .map_err(|description| refuse("invalid_request", description))?;
    let prompt = prompts(parameters.get("prompt"))
        .map_err(|description| refuse("invalid_request", description))?;
    let max_age = parameters
        .get("max_age")
        .map(str::parse)
        .transpose()
        .map_err(|_| refuse("invalid_request", "max_age is not a number of seconds"))?;
    let organization_id = parameters
        .get("organization_id")
        .map(str::parse)
        .transpose()
        .map_err(|_| {
            refuse(
                "invalid_request",
                "organization_id is not an id of the form org_...",
            )
        })?;
    let connection_id = parameters
        .get("connection_id")
        .map(str::parse)
        .transpose()
        .map_err(|_| {
            refuse(
                "invalid_request",
                "connection_id is not an id of the form conn_...",
            )
        })?;

    Ok(AuthorizeRequest {
        client_id: application.id,
        redirect_uri: redirect_uri.clone(),
        response_mode,
        state: state.clone(),
        nonce: parameters.get("nonce").map(str::to_owned),
        scope,
        code_challenge,
        prompt,
        max_age,
        acr_values: words(parameters.get("acr_values")),
        login_hint: parameters.get("login_hint").map(str::to_owned),
        domain_hint: parameters.get("domain_hint").map(str::to_owned),
        organization_id,
        connection_id,
        hinted_user: None,
    })
}

/// What counts of an id token that comes back as a hint.
#[derive(Deserialize)]
struct Hint {
    iss: String,
    aud: ApplicationId,
    sub: UserId,
}

/// Reads the request's `id_token_hint`, if there is one: an id token that this application was given, however long
/// ago.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn with_hint(
    app: &App,
    mut request: AuthorizeRequest,
    parameters: &Parameters,
) -> Result<Result<AuthorizeRequest, AuthorizeError>, Error> {
    let Some(token) = parameters.get("id_token_hint") else {
        return Ok(Ok(request));
    };
    let hint = signed_by_us::<Hint>(app, token, "JWT").await?;
    let ours = |hint: &Hint| hint.iss == app.public_url.as_str() && hint.aud == request.client_id;
    let Some(hint) = hint.filter(ours) else {
        return Ok(Err(AuthorizeError::Refused {
            return_to: request.return_to(),
            error: "invalid_request",
            description: "id_token_hint is not an id token that this client was given".to_owned(),
        }));
    };
    request.hinted_user = Some(hint.sub);
    Ok(Ok(request))
}

/// Exactly one of the registered strings (SECURITY-MODEL G16).
fn trusted_redirect_uri(
    asked: Option<&str>,
    application: &Application,
) -> Result<String, AuthorizeError> {
    let untrusted = |message: &str| AuthorizeError::Untrusted {
        code: "invalid_redirect_uri",
        message: message.to_owned(),
    };
    let asked = asked.ok_or_else(|| untrusted("The request has no redirect_uri."))?;
    application
        .redirect_uris
        .iter()
        .find(|registered| *registered == asked)
        .cloned()
        .ok_or_else(|| untrusted("The redirect_uri is not one that the application registered."))
}

fn words(value: Option<&str>) -> Vec<String> {
    value
        .unwrap_or_default()
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The known ones of a space-separated list, each once.
pub fn scopes(value: Option<&str>) -> Vec<String> {
    let mut known = Vec::new();
    for word in words(value) {
        if SCOPES.contains(&word.as_str()) && !known.contains(&word) {
            known.push(word);
        }
    }
    known
}

/// RFC 7636 4.3: S256 only, and required of public clients (RFC 9700 2.1.1).
fn code_challenge(
    parameters: &Parameters,
    application: &Application,
) -> Result<Option<String>, &'static str> {
    let method = parameters.get("code_challenge_method");
    match parameters.get("code_challenge") {
        None if method.is_some() => Err("code_challenge_method without code_challenge"),
        None if application.kind == ApplicationType::Public => {
            Err("code_challenge is required of a public client (PKCE)")
        }
        None => Ok(None),
        Some(_) if method != Some("S256") => Err("code_challenge_method must be S256"),
        Some(challenge)
            if challenge.len() == 43
                && challenge
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) =>
        {
            Ok(Some(challenge.to_owned()))
        }
        Some(_) => Err("code_challenge is not the base64url of a SHA-256"),
    }
}

fn prompts(value: Option<&str>) -> Result<Vec<Prompt>, &'static str> {
    let prompts = words(value)
        .iter()
        .map(|word| match word.as_str() {
            "none" => Ok(Prompt::None),
            "login" => Ok(Prompt::Login),
            "consent" => Ok(Prompt::Consent),
            "select_account" => Ok(Prompt::SelectAccount),
            _ => Err("prompt has an unknown value"),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if prompts.len() > 1 && prompts.contains(&Prompt::None) {
        return Err("prompt=none stands alone");
    }
    Ok(prompts)
}

/// The application's redirect URI with parameters added (RFC 6749 4.1.2: the query it already has stays).
pub fn redirect_with(redirect_uri: &str, parameters: &[(&str, &str)]) -> String {
    let Ok(mut url) = url::Url::parse(redirect_uri) else {
        return redirect_uri.to_owned();
    };
    url.query_pairs_mut().extend_pairs(parameters);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock, SystemEntropy};
    use crate::model::{ClientAuthMethod, SigningAlgorithm};

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn application(kind: ApplicationType) -> Application {
        let id = ApplicationId::generate(&SystemClock, &SystemEntropy);
        let now = SystemClock.now().into();
        Application {
            id,
            client_id: id,
            name: "Sample".to_owned(),
            kind,
            redirect_uris: vec!["https://app.example/callback?from=tenon".to_owned()],
            post_logout_redirect_uris: Vec::new(),
            id_token_signing_alg: SigningAlgorithm::Rs256,
            access_token_ttl: 300,
            refresh_token_ttl: 2_592_000,
            session_idle_ttl: None,
            backchannel_logout_uri: None,
            initiate_login_uri: None,
            token_endpoint_auth_method: ClientAuthMethod::ClientSecretBasic,
            discovery: Default::default(),
            jwks: None,
            jwks_uri: None,
            created_at: now,
            updated_at: now,
        }
    }

    fn ask(
        kind: ApplicationType,
        changes: &[(&str, &str)],
    ) -> Result<AuthorizeRequest, AuthorizeError> {
        let mut query: Vec<(&str, &str)> = vec![
            ("redirect_uri", "https://app.example/callback?from=tenon"),
            ("response_type", "code"),
            ("scope", "openid email unknown"),
            ("state", "xyz"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for change in changes {
            query.retain(|(name, _)| name != &change.0);
        }
        query.extend(changes);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let (parameters, twice) = Parameters::parse(&query);
        check(&parameters, twice.as_deref(), &application(kind))
    }

    fn refused(changes: &[(&str, &str)]) -> &'static str {
        match ask(ApplicationType::Public, changes) {
            Err(AuthorizeError::Refused {
                error, return_to, ..
            }) => {
                assert_eq!(return_to.state.as_deref(), Some("xyz"));
                error
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_request_is_read() {
        let request = ask(ApplicationType::Public, &[]).unwrap();
        assert_eq!(request.scope, ["openid", "email"]);
        assert_eq!(request.code_challenge.as_deref(), Some(CHALLENGE));
    }

    #[test]
    fn a_redirect_uri_that_differs_in_anything_is_not_trusted() {
        for other in [
            "https://app.example/callback",
            "https://app.example/callback?from=tenon&x=1",
            "https://app.example/callback?from=tenon#",
            "https://app.example:443/callback?from=tenon",
            "https://APP.example/callback?from=tenon",
            "http://app.example/callback?from=tenon",
            "https://app.example/%63allback?from=tenon",
            "https://app.example@evil.example/callback?from=tenon",
            "https://evil.example\\@app.example/callback?from=tenon",
        ] {
            let answer = ask(ApplicationType::Public, &[("redirect_uri", other)]);
            assert!(
                matches!(answer, Err(AuthorizeError::Untrusted { .. })),
                "{other}"
            );
        }
    }

    #[test]
    fn wrong_parameters_go_back_with_the_standard_error() {
        assert_eq!(
            refused(&[("response_type", "token")]),
            "unsupported_response_type"
        );
        assert_eq!(refused(&[("response_type", "")]), "invalid_request");
        assert_eq!(refused(&[("scope", "email")]), "invalid_scope");
        assert_eq!(
            refused(&[("code_challenge", ""), ("code_challenge_method", "")]),
            "invalid_request"
        );
        assert_eq!(
            refused(&[("code_challenge_method", "plain")]),
            "invalid_request"
        );
        assert_eq!(refused(&[("code_challenge", "short")]), "invalid_request");
        assert_eq!(refused(&[("prompt", "none login")]), "invalid_request");
        assert_eq!(refused(&[("max_age", "-1")]), "invalid_request");
        assert_eq!(refused(&[("request", "x.y.z")]), "request_not_supported");
        assert_eq!(
            refused(&[("nonce", "a"), ("nonce", "b")]),
            "invalid_request"
        );
    }

    #[test]
    fn a_confidential_client_may_leave_pkce_out() {
        let none = [("code_challenge", ""), ("code_challenge_method", "")];
        assert_eq!(
            ask(ApplicationType::Confidential, &none)
                .unwrap()
                .code_challenge,
            None
        );
    }

    #[test]
    fn an_answer_keeps_the_query_of_the_redirect_uri() {
        let url = redirect_with(
            "https://app.example/callback?from=tenon",
            &[("code", "a b")],
        );
        assert_eq!(url, "https://app.example/callback?from=tenon&code=a+b");
    }
}
