//! Provider files (`providers/<idp>.toml`): names, claims and fix texts per IdP. Data, never code; a
//! file may rename or reshape, it can't relax a check.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::settings::AttributeMapping;
use crate::trace::Protocol;

/// One identity provider as its file describes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name of the file, and of `provider` in the API.
    pub id: String,
    /// As its vendor writes it.
    pub name: String,
    /// Other names that people know it by.
    #[serde(default)]
    pub aliases: Vec<String>,
    pub protocols: Vec<Protocol>,
    /// What it does in its own way, its NameID first: for whoever looks into a sign-in.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Names tried before the usual ones ([`crate::mapping`]).
    #[serde(default)]
    pub claims: AttributeMapping,
    /// Splits one group value into several, where the provider joins them.
    #[serde(default)]
    pub groups_separator: Option<String>,
    /// Fix texts by code, for both protocols.
    #[serde(default)]
    fix: BTreeMap<String, String>,
    #[serde(default)]
    pub saml: SamlNotes,
    #[serde(default)]
    pub oidc: OidcNotes,
}

/// What a SAML IdP does in its own way.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamlNotes {
    /// The attribute that comes in the place of too many groups.
    pub groups_link: Option<String>,
    /// Fix texts that hold for SAML only, by code.
    fix: BTreeMap<String, String>,
}

/// What an OIDC provider does in its own way.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcNotes {
    /// Hosts of its issuers, with all below where one begins with a dot: a connection to one of them follows this
    /// file's rules about tenants, whatever name somebody gave the provider.
    pub hosts: Vec<String>,
    /// The claim that identifies a person instead of `sub`: Entra ID's `sub` differs per application, its
    /// `oid` is the directory's own id.
    pub subject_claim: Option<String>,
    /// The claim that must equal the connection's `tenant`.
    pub tenant_claim: Option<String>,
    /// Nobody signs in while no tenant is saved: the issuer is the same for every company, and for private accounts,
    /// whose email nobody's company vouches for.
    pub tenant_required: bool,
    /// The authorization parameter that takes the domain of the login hint.
    pub domain_parameter: Option<String>,
    /// Stands in the published issuer where the tenant belongs.
    pub issuer_placeholder: Option<String>,
    /// Issuers that the metadata at another address names, with the placeholder in both.
    pub issuers: Vec<IssuerForm>,
    /// Fix texts that hold for OIDC only, by code.
    fix: BTreeMap<String, String>,
}

/// Where a provider with a tenant in its addresses publishes metadata, and the issuer that they name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerForm {
    /// Without a slash at the end.
    pub address: String,
    pub issuer: String,
}

#[derive(RustEmbed)]
#[folder = "providers"]
struct Files;

/// A file that does not parse is left out: the test below reads each and fails on it.
static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let parse = |path: std::borrow::Cow<'static, str>| {
        let file = Files::get(&path)?;
        toml::from_str::<Provider>(std::str::from_utf8(&file.data).ok()?).ok()
    };
    let mut providers: Vec<Provider> = Files::iter().filter_map(parse).collect();
    providers.sort_by_key(|provider| (provider.id == GENERIC, provider.name.to_lowercase()));
    providers
});

const GENERIC: &str = "generic";

static EMPTY: LazyLock<Provider> = LazyLock::new(Provider::default);

/// The provider of this id or alias, whatever the case; without one, or for a stranger, `generic`.
pub fn find(id: Option<&str>) -> &'static Provider {
    let named = |wanted: &str| {
        let is = |name: &String| name.eq_ignore_ascii_case(wanted);
        PROVIDERS
            .iter()
            .find(|p| is(&p.id) || p.aliases.iter().any(is))
    };
    id.and_then(named)
        .or_else(|| named(GENERIC))
        .unwrap_or(&EMPTY)
}

/// The provider whose file lists the issuer's host.
pub fn of_issuer(issuer: &str) -> Option<&'static Provider> {
    let url = url::Url::parse(issuer).ok()?;
    let host = url.host_str()?;
    let is = |known: &String| known == host || known.starts_with('.') && host.ends_with(known);
    let lists = |provider: &&Provider| provider.oidc.hosts.iter().any(is);
    PROVIDERS.iter().find(lists)
}

/// All providers by name; `generic` comes last.
pub fn all() -> &'static [Provider] {
    &PROVIDERS
}

/// What to do about a code, in plain words: the provider's own text, or else the generic one. Empty for
/// a code that is none.
pub fn fix(provider: Option<&str>, protocol: Protocol, code: &str) -> String {
    let text = |provider: &'static Provider| {
        let own = match protocol {
            Protocol::Saml => &provider.saml.fix,
            Protocol::Oidc => &provider.oidc.fix,
        };
        own.get(code).or_else(|| provider.fix.get(code))
    };
    text(find(provider))
        .or_else(|| text(find(None)))
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectorError;

    #[test]
    fn every_file_parses_and_carries_its_own_id() {
        for path in Files::iter() {
            let file = Files::get(&path).unwrap();
            let provider: Provider =
                toml::from_str(std::str::from_utf8(&file.data).unwrap()).expect(&path);
            assert_eq!(path, format!("{}.toml", provider.id));
            assert!(
                !provider.name.is_empty() && !provider.protocols.is_empty(),
                "{path}"
            );
        }
        assert_eq!(all().len(), Files::iter().count());
        assert_eq!(all().last().unwrap().id, GENERIC);
    }

    #[test]
    fn generic_says_what_to_do_about_every_code() {
        for code in ConnectorError::CODES {
            for protocol in [Protocol::Saml, Protocol::Oidc] {
                assert!(fix(None, protocol, code).len() > 30, "{code}");
            }
        }
    }

    /// What an admin meets while a connection is set up: each console has its own words for it.
    const SET_UP: [&str; 13] = [
        "idp_status",
        "response_missing",
        "destination_mismatch",
        "issuer_mismatch",
        "signature_missing",
        "signature_invalid",
        "signature_algorithm_forbidden",
        "certificate_unknown",
        "certificate_expired",
        "decryption_failed",
        "audience_mismatch",
        "recipient_mismatch",
        "email_missing",
    ];

    /// The names of the recorded sign-ins.
    fn shapes(protocol: &str) -> Vec<String> {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fixtures")
            .join(protocol)
            .join("accept");
        std::fs::read_dir(fixtures)
            .unwrap()
            .map(|folder| folder.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn every_saml_provider_has_words_of_its_own_notes_and_a_recorded_shape() {
        let shapes = shapes("saml");
        for provider in all().iter().filter(|provider| provider.id != GENERIC) {
            if !provider.protocols.contains(&Protocol::Saml) {
                continue;
            }
            let id = Some(provider.id.as_str());
            for code in SET_UP {
                let text = fix(id, Protocol::Saml, code);
                assert_ne!(text, fix(None, Protocol::Saml, code), "{id:?}: {code}");
            }
            let subject = ["subject_missing", "subject_transient"];
            let own =
                |code: &&str| fix(id, Protocol::Saml, code) != fix(None, Protocol::Saml, code);
            assert!(subject.iter().any(own), "{id:?}: no word on the NameID");
            assert!(!provider.notes.is_empty(), "{id:?}");
            let prefix = format!("{}-", provider.id);
            assert!(
                shapes.iter().any(|shape| shape.starts_with(&prefix)),
                "{id:?}"
            );
        }
    }

    /// What an admin meets while an OIDC connection is set up.
    const OIDC_SET_UP: [&str; 8] = [
        "idp_error",
        "issuer_mismatch",
        "discovery_invalid",
        "token_exchange_failed",
        "client_secret_refused",
        "audience_mismatch",
        "signature_algorithm_forbidden",
        "email_missing",
    ];

    #[test]
    fn every_oidc_provider_has_words_of_its_own_notes_and_a_recorded_shape() {
        let shapes = shapes("oidc");
        let oidc = |provider: &&Provider| provider.protocols.contains(&Protocol::Oidc);
        for provider in all().iter().filter(oidc) {
            for code in OIDC_SET_UP {
                let text = fix(Some(&provider.id), Protocol::Oidc, code);
                let strange = provider.id != GENERIC && text == fix(None, Protocol::Oidc, code);
                assert!(!strange && !text.is_empty(), "{}: {code}", provider.id);
                let saml = provider.saml.fix.get(code);
                assert_ne!(saml, Some(&text), "{}: {code}", provider.id);
            }
            let prefix = format!("{}-", provider.id);
            assert!(
                shapes.iter().any(|shape| shape.starts_with(&prefix)),
                "{prefix}"
            );
            assert!(
                provider.id == GENERIC || !provider.notes.is_empty(),
                "{prefix}"
            );
        }
    }

    #[test]
    fn every_fix_text_belongs_to_a_code() {
        for provider in all() {
            let tables = [&provider.fix, &provider.saml.fix, &provider.oidc.fix];
            for code in tables.iter().flat_map(|table| table.keys()) {
                let known = ConnectorError::CODES.contains(&code.as_str());
                assert!(
                    known || WARNINGS.contains(&code.as_str()),
                    "{}: {code}",
                    provider.id
                );
            }
        }
    }

    /// Codes of warnings, which end no login and so are no [`ConnectorError`].
    const WARNINGS: [&str; 2] = ["groups_truncated", "client_secret_refused"];

    #[test]
    fn a_fix_comes_from_the_provider_then_from_generic() {
        let okta = fix(Some("okta"), Protocol::Saml, "recipient_mismatch");
        assert!(
            okta.contains("Use this for Recipient URL and Destination URL"),
            "{okta}"
        );
        let own = fix(None, Protocol::Oidc, "state_mismatch");
        assert_eq!(fix(Some("okta"), Protocol::Oidc, "state_mismatch"), own);
        assert_eq!(fix(Some("stranger"), Protocol::Oidc, "state_mismatch"), own);
    }

    #[test]
    fn a_provider_is_known_by_its_issuers_host() {
        for (issuer, id) in [
            ("https://accounts.google.com", Some("google")),
            ("https://ACCOUNTS.google.com/", Some("google")),
            (
                "https://login.microsoftonline.com/common/v2.0",
                Some("entra"),
            ),
            ("https://acme.okta.com/oauth2/default", Some("okta")),
            ("https://acme.oktapreview.com", Some("okta")),
            ("https://oauth.id.eu.jumpcloud.com/", Some("jumpcloud")),
            ("https://okta.com", None),
            ("https://acme-okta.com", None),
            ("https://acme.okta.com.evil.example", None),
            ("https://acme.login.microsoftonline.com", None),
            ("https://accounts.google.com.evil.example", None),
            ("https://evil.example/accounts.google.com", None),
            ("accounts.google.com", None),
        ] {
            let found = of_issuer(issuer).map(|provider| provider.id.as_str());
            assert_eq!(found, id, "{issuer}");
        }
    }

    #[test]
    fn a_provider_is_known_by_its_aliases() {
        assert_eq!(find(Some("Azure AD")).id, "entra");
        assert_eq!(find(Some("OKTA")).id, "okta");
        assert_eq!(find(Some("nobody")).id, GENERIC);
    }
}
