//! The provider's metadata (OpenID Connect Discovery 1.0, RFC 8414, RFC 9207).

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, ProviderMetadata};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::cache::Fetched;
use super::fetch;
use crate::provider::Provider;
use crate::settings::OidcSettings;
use crate::{ConnectorError, HttpClient};

const MAX_METADATA_BYTES: usize = 256 * 1024;

type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// RFC 9207 section 3, and RP-Initiated Logout 1.0 section 2.1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct MoreMetadata {
    authorization_response_iss_parameter_supported: bool,
    end_session_endpoint: Option<Url>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

/// What a login needs of the metadata, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Discovered {
    /// What `iss` must be, byte for byte, in tokens and in the authorization response.
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) jwks_uri: Url,
    pub(super) end_session_endpoint: Option<Url>,
    /// The authorization response must carry `iss`.
    pub(super) response_carries_issuer: bool,
    /// The provider lists `client_secret_post` and not `client_secret_basic`.
    pub(super) only_secret_post: bool,
}

/// Reads `{issuer}/.well-known/openid-configuration`. Errors: `idp_unreachable`, `discovery_invalid`.
pub(super) async fn fetch(
    settings: &OidcSettings,
    provider: &Provider,
    http: &impl HttpClient,
) -> Result<Fetched<Discovered>, ConnectorError> {
    let invalid = |reason| ConnectorError::DiscoveryInvalid { reason };
    let url = document_url(&settings.issuer).map_err(|error| invalid(error.to_string()))?;
    let (body, lifetime) = fetch::document(http, &url, MAX_METADATA_BYTES).await?;
    let value = read(&body, settings, provider).map_err(invalid)?;
    Ok(Fetched {
        value,
        document: String::from_utf8_lossy(&body).into_owned(),
        lifetime,
    })
}

/// Discovery 1.0 section 4.1: a slash at the issuer's end is dropped first.
fn document_url(issuer: &str) -> Result<Url, url::ParseError> {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    Url::parse(&format!("{issuer}/.well-known/openid-configuration"))
}

/// Reads the document, as the saved issuer's.
pub(super) fn read(
    body: &[u8],
    settings: &OidcSettings,
    provider: &Provider,
) -> Result<Discovered, String> {
    let mut document: Value = serde_json::from_slice(body)
        .map_err(|error| format!("the metadata is not JSON ({error})"))?;
    let members = document
        .as_object_mut()
        .ok_or("the metadata is not a JSON object")?;
    // Required by Discovery 1.0 section 3, forgotten by small providers, and nothing here depends on them.
    for (name, usual) in [
        ("response_types_supported", json!(["code"])),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
    ] {
        members.entry(name).or_insert(usual);
    }
    let metadata: Metadata = serde_json::from_value(document)
        .map_err(|error| format!("the metadata can't be read: {error}"))?;

    let issuer = match_issuer(metadata.issuer(), settings, provider)?;
    let token_endpoint = metadata
        .token_endpoint()
        .ok_or("the metadata has no token_endpoint")?;
    let userinfo_endpoint = metadata.userinfo_endpoint().map(|endpoint| endpoint.url());
    let discovered = Discovered {
        issuer,
        authorization_endpoint: metadata.authorization_endpoint().url().clone(),
        token_endpoint: token_endpoint.url().clone(),
        userinfo_endpoint: userinfo_endpoint.cloned(),
        jwks_uri: metadata.jwks_uri().url().clone(),
        end_session_endpoint: metadata.additional_metadata().end_session_endpoint.clone(),
        response_carries_issuer: metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported,
        only_secret_post: metadata
            .token_endpoint_auth_methods_supported()
            .is_some_and(|methods| {
                methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                    && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
            }),
    };
    discovered.refuse_weaker_transport(&settings.issuer)?;
    Ok(discovered)
}

/// The issuer that tokens must carry. The published one must be the saved one, byte for byte (Discovery 1.0
/// section 4.3). Where a provider publishes one document for all tenants, with a placeholder instead of the
/// tenant (Entra ID's `common`), the saved tenant takes its place: the match stays exact. So it does where the
/// provider's file says that another address publishes this issuer.
fn match_issuer(
    published: &str,
    settings: &OidcSettings,
    provider: &Provider,
) -> Result<String, String> {
    if published == settings.issuer {
        return Ok(published.to_owned());
    }
    let placeholder = provider.oidc.issuer_placeholder.as_deref();
    if let Some((before, after)) = placeholder.and_then(|p| published.split_once(p)) {
        let saved = settings
            .issuer
            .strip_prefix(before)
            .and_then(|s| s.strip_suffix(after));
        if saved.is_some_and(|segment| !segment.is_empty() && !segment.contains('/')) {
            let tenant = settings
                .tenant
                .as_deref()
                .filter(|tenant| !tenant.is_empty());
            let tenant = tenant.ok_or("this issuer serves many tenants and none is saved")?;
            return Ok(format!("{before}{tenant}{after}"));
        }
    }
    if placeholder.is_some_and(|p| is_published_elsewhere(published, settings, provider, p)) {
        return Ok(published.to_owned());
    }
    Err(format!(
        "the metadata names the issuer {published}, saved is {}",
        settings.issuer
    ))
}

/// Whether the provider's file has a form of which this is the issuer and the saved one the address, with the same
/// tenant in both: the saved tenant, or else the one that stands in the address.
fn is_published_elsewhere(
    published: &str,
    settings: &OidcSettings,
    provider: &Provider,
    placeholder: &str,
) -> bool {
    let address = settings.issuer.strip_suffix('/');
    let address = address.unwrap_or(&settings.issuer);
    let saved = settings.tenant.as_deref();
    provider.oidc.issuers.iter().any(|form| {
        let in_address = form
            .address
            .split_once(placeholder)
            .and_then(|(before, after)| address.strip_prefix(before)?.strip_suffix(after))
            .filter(|segment| !segment.is_empty() && !segment.contains('/'));
        in_address.is_some_and(|segment| {
            let tenant = saved.filter(|saved| !saved.is_empty()).unwrap_or(segment);
            published == form.issuer.replace(placeholder, tenant)
        })
    })
}

impl Discovered {
    /// Every endpoint is https, or plain http only where the issuer already is (a test network): otherwise a
    /// tampered document could lead codes and secrets over an open line.
    fn refuse_weaker_transport(&self, issuer: &str) -> Result<(), String> {
        let plain = issuer.starts_with("http://");
        let endpoints = [
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.jwks_uri,
        ]
        .into_iter();
        let optional = [&self.userinfo_endpoint, &self.end_session_endpoint];
        for endpoint in endpoints.chain(optional.into_iter().flatten()) {
            if !(endpoint.scheme() == "https" || plain && endpoint.scheme() == "http") {
                return Err(format!("the endpoint {endpoint} is not https"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider;

    fn settings(issuer: &str, tenant: Option<&str>) -> OidcSettings {
        let tenant = tenant.map(str::to_owned);
        OidcSettings {
            issuer: issuer.into(),
            tenant,
            ..OidcSettings::default()
        }
    }

    fn document(issuer: &str) -> Value {
        json!({
            "issuer": issuer,
            "authorization_endpoint": "https://idp.example/authorize",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://idp.example/jwks",
        })
    }

    fn read_as(document: &Value, settings: &OidcSettings, idp: &str) -> Result<Discovered, String> {
        read(
            document.to_string().as_bytes(),
            settings,
            provider::find(Some(idp)),
        )
    }

    #[test]
    fn the_document_stands_below_the_issuer() {
        for issuer in [
            "https://idp.example/realms/acme",
            "https://idp.example/realms/acme/",
        ] {
            let url = document_url(issuer).unwrap();
            let expected = "https://idp.example/realms/acme/.well-known/openid-configuration";
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn the_issuer_must_match_byte_for_byte() {
        let saved = settings("https://idp.example", None);
        assert!(read_as(&document("https://idp.example"), &saved, "okta").is_ok());
        for other in [
            "https://idp.example/",
            "https://IDP.example",
            "https://evil.example",
        ] {
            let error = read_as(&document(other), &saved, "okta").unwrap_err();
            assert!(
                error.contains(other) && error.contains("https://idp.example"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_tenant_takes_the_placeholder_s_place_and_nothing_more() {
        let published = document("https://login.example/{tenantid}/v2.0");
        let common = settings("https://login.example/common/v2.0", Some("t-1"));
        let discovered = read_as(&published, &common, "entra").unwrap();
        assert_eq!(discovered.issuer, "https://login.example/t-1/v2.0");
        let nobody = settings("https://login.example/common/v2.0", None);
        assert!(
            read_as(&published, &nobody, "entra")
                .unwrap_err()
                .contains("none is saved")
        );
        assert!(
            read_as(&published, &common, "okta").is_err(),
            "only Entra ID has one"
        );
        let elsewhere = settings("https://evil.example/common/v2.0", Some("t-1"));
        assert!(read_as(&published, &elsewhere, "entra").is_err());
    }

    #[test]
    fn entra_is_known_by_its_v1_issuer_and_by_a_domain_of_the_tenant_too() {
        let v1 = document("https://sts.windows.net/t-1/");
        let v2 = document("https://login.microsoftonline.com/t-1/v2.0");
        for (saved, tenant, published) in [
            ("https://login.microsoftonline.com/t-1", None, &v1),
            ("https://login.microsoftonline.com/t-1/", None, &v1),
            (
                "https://login.microsoftonline.com/acme.example/v2.0",
                Some("t-1"),
                &v2,
            ),
            ("https://sts.windows.net/t-1/", None, &v1),
        ] {
            let read = read_as(published, &settings(saved, tenant), "entra");
            assert_eq!(read.unwrap().issuer, published["issuer"], "{saved}");
        }
        for (saved, tenant, published) in [
            ("https://login.microsoftonline.com/t-2", None, &v1),
            ("https://login.microsoftonline.com/T-1", None, &v1),
            ("https://login.microsoftonline.com/t-1", Some("t-2"), &v1),
            ("https://login.microsoftonline.com/common", None, &v1),
            (
                "https://login.microsoftonline.com/acme.example/v2.0",
                None,
                &v2,
            ),
            ("https://login.evil.example/t-1", None, &v1),
        ] {
            let refused = read_as(published, &settings(saved, tenant), "entra");
            assert!(refused.is_err(), "{saved} {tenant:?}");
        }
        let elsewhere = settings("https://login.microsoftonline.com/t-1", None);
        assert!(read_as(&v1, &elsewhere, "generic").is_err());
    }

    #[test]
    fn okta_has_an_issuer_per_authorization_server() {
        for saved in [
            "https://acme.okta.example",
            "https://acme.okta.example/oauth2/default",
            "https://acme.okta.example/oauth2/aus1a2b3",
        ] {
            assert!(read_as(&document(saved), &settings(saved, None), "okta").is_ok());
            let org = document("https://acme.okta.example/oauth2");
            assert!(read_as(&org, &settings(saved, None), "okta").is_err());
        }
    }

    #[test]
    fn an_endpoint_may_not_be_weaker_than_its_issuer() {
        let saved = settings("https://idp.example", None);
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
        ] {
            for url in ["http://idp.example/x", "javascript:alert(1)"] {
                let mut document = document("https://idp.example");
                document[name] = url.into();
                let error = read_as(&document, &saved, "generic").unwrap_err();
                assert!(error.contains("is not https"), "{name}: {error}");
            }
        }
        let mut local = document("http://127.0.0.1:4000");
        local["token_endpoint"] = "http://127.0.0.1:4000/token".into();
        assert!(read_as(&local, &settings("http://127.0.0.1:4000", None), "generic").is_ok());
    }

    #[test]
    fn what_is_missing_or_unreadable_is_named() {
        let saved = settings("https://idp.example", None);
        for name in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
        ] {
            let mut document = document("https://idp.example");
            document.as_object_mut().unwrap().remove(name);
            let error = read_as(&document, &saved, "generic").unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        let html = read(b"<html>", &saved, provider::find(None)).unwrap_err();
        assert!(html.contains("not JSON"), "{html}");
    }

    #[test]
    fn the_optional_members_are_read() {
        let mut document = document("https://idp.example");
        document["authorization_response_iss_parameter_supported"] = true.into();
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post", "none"]);
        document["unknown_member"] = json!({"any": "thing"});
        let read = read_as(&document, &settings("https://idp.example", None), "generic").unwrap();
        assert!(read.response_carries_issuer && read.only_secret_post);
    }
}
