//! Provider files (`providers/<directory>.toml`): what each directory is called, how its traffic is told,
//! and what it does in its own way. Every quirk is accepted from everybody; a file only names it.

use std::borrow::Cow;
use std::sync::LazyLock;

use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::quirk::{Quirk, Quirks};

/// One directory product as its file describes it.
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
    /// Parts of its `User-Agent`, any of which tells it.
    #[serde(default)]
    pub user_agents: Vec<String>,
    /// Quirks that no other directory has, any of which tells it where its `User-Agent` does not.
    #[serde(default)]
    pub quirks: Vec<String>,
    /// Hours without a request after which something is wrong: several of its sync cycles. `None` where it only
    /// sends what has changed, so that a quiet week says nothing.
    #[serde(default)]
    pub silent_after_hours: Option<u32>,
    /// What it does in its own way, for documentation and support.
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(RustEmbed)]
#[folder = "providers"]
struct Files;

const GENERIC: &str = "generic";

/// A file that does not parse is left out: the test below reads each and fails on it.
static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let parse = |path: Cow<'static, str>| {
        let file = Files::get(&path)?;
        toml::from_str::<Provider>(std::str::from_utf8(&file.data).ok()?).ok()
    };
    let mut providers: Vec<Provider> = Files::iter().filter_map(parse).collect();
    providers.sort_by_key(|provider| (provider.id == GENERIC, provider.name.to_lowercase()));
    providers
});

static EMPTY: LazyLock<Provider> = LazyLock::new(Provider::default);

/// All providers by name; `generic` comes last.
pub fn all() -> &'static [Provider] {
    &PROVIDERS
}

/// The directory behind a request: the one configured by id, name or alias, else the one whose `User-Agent` it
/// is, else the one whose quirks the request has, else `generic`. Case does not matter.
pub fn recognise(
    configured: Option<&str>,
    user_agent: Option<&str>,
    quirks: &Quirks,
) -> &'static Provider {
    let named = |wanted: &str| {
        let is = |name: &String| name.eq_ignore_ascii_case(wanted);
        PROVIDERS
            .iter()
            .find(|p| is(&p.id) || is(&p.name) || p.aliases.iter().any(is))
    };
    let sent_by = |agent: &str| {
        let agent = agent.to_lowercase();
        let tells = |part: &String| agent.contains(&part.to_lowercase());
        PROVIDERS.iter().find(|p| p.user_agents.iter().any(tells))
    };
    configured
        .and_then(named)
        .filter(|provider| provider.id != GENERIC)
        .or_else(|| user_agent.and_then(sent_by))
        .or_else(|| with_quirk(quirks))
        .or_else(|| named(GENERIC))
        .unwrap_or(&EMPTY)
}

fn with_quirk(quirks: &Quirks) -> Option<&'static Provider> {
    let noted = |name: &String| quirks.iter().map(Quirk::name).any(|noted| noted == name);
    PROVIDERS.iter().find(|p| p.quirks.iter().any(noted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_parses_and_carries_its_own_id() {
        for path in Files::iter() {
            let file = Files::get(&path).unwrap();
            let provider: Provider =
                toml::from_str(std::str::from_utf8(&file.data).unwrap()).expect(&path);
            assert_eq!(path, format!("{}.toml", provider.id));
            assert!(
                !provider.name.is_empty() && !provider.notes.is_empty(),
                "{path}"
            );
            for quirk in &provider.quirks {
                assert!(Quirk::ALL.iter().any(|q| q.name() == quirk), "{quirk}");
            }
        }
        assert_eq!(all().len(), Files::iter().count());
        assert_eq!(all().last().unwrap().id, GENERIC);
    }

    #[test]
    fn the_settings_tell_the_directory_then_its_traffic_does() {
        let okta = Some("Okta SCIM Client 1.0.0");
        let none = Quirks::default();
        let recognise = |configured, agent| recognise(configured, agent, &none);
        assert_eq!(recognise(Some("Azure AD"), okta).id, "entra");
        assert_eq!(recognise(None, okta).id, "okta");
        assert_eq!(recognise(Some("google workspace"), okta).id, "google");
        assert_eq!(recognise(Some("generic"), okta).id, "okta");
        assert_eq!(recognise(Some("nobody"), Some("curl/8")).id, GENERIC);
        assert_eq!(recognise(None, None).id, GENERIC);
    }

    #[test]
    fn what_only_entra_sends_tells_it_where_nothing_else_does() {
        let quirks = Quirks::default();
        quirks.note(Quirk::BlankText);
        assert_eq!(recognise(None, None, &quirks).id, GENERIC);
        quirks.note(Quirk::ComplianceFlag);
        assert_eq!(recognise(None, None, &quirks).id, "entra");
        assert_eq!(recognise(Some("okta"), None, &quirks).id, "okta");
        assert_eq!(recognise(None, Some("JumpCloud"), &quirks).id, "jumpcloud");
    }
}
