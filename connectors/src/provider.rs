//! Provider files (`providers/<idp>.toml`): names, claims and fix texts per IdP. Data, never code.

/// The fix text for a code, from the provider's file or the generic one.
pub fn fix(_provider: Option<&str>, _code: &str) -> String {
    String::new()
}
