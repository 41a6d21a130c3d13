//! What browsers must and must not do with our answers (PORTAL.md section 8, SECURITY-MODEL G43).

use poem::{
    Response,
    http::{HeaderName, HeaderValue, header},
};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// For answers without a policy of their own: nothing loads, nothing runs, nobody frames it. A page brings
/// its own, since its forms lead somewhere.
const NOTHING: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
);

/// Copying to the clipboard is the one thing that our pages ask the browser for.
const CLIPBOARD_ONLY: HeaderValue = HeaderValue::from_static(
    "clipboard-write=(self), accelerometer=(), camera=(), clipboard-read=(), display-capture=(), \
     encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), microphone=(), midi=(), \
     payment=(), usb=()",
);

/// Two years, as the preload lists ask for. Not for subdomains: they may not be ours.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds the headers that are missing. `https` is whether the public URL is.
pub(super) fn apply(response: &mut Response, https: bool) {
    let type_of = response.headers().get(header::CONTENT_TYPE);
    let is_page = type_of.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let mut defaults = vec![
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (header::CONTENT_SECURITY_POLICY, NOTHING),
    ];
    if https {
        defaults.push((header::STRICT_TRANSPORT_SECURITY, HSTS));
    }
    if is_page {
        defaults.push((
            CROSS_ORIGIN_OPENER_POLICY,
            HeaderValue::from_static("same-origin"),
        ));
        defaults.push((PERMISSIONS_POLICY, CLIPBOARD_ONLY));
    }
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str, policy: Option<&str>, https: bool) -> String {
        let mut response = Response::builder().content_type(content_type).finish();
        if let Some(policy) = policy {
            let policy = HeaderValue::from_str(policy).unwrap();
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        apply(&mut response, https);
        let lines = response.headers().iter();
        let lines = lines.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_page_keeps_its_policy_and_gets_the_rest() {
        let page = headers("text/html; charset=utf-8", Some("form-action 'self'"), true);
        insta::assert_snapshot!(page, @r#"
        content-type: text/html; charset=utf-8
        content-security-policy: form-action 'self'
        x-content-type-options: nosniff
        referrer-policy: no-referrer
        strict-transport-security: max-age=63072000
        cross-origin-opener-policy: same-origin
        permissions-policy: clipboard-write=(self), accelerometer=(), camera=(), clipboard-read=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=()
        "#);
    }

    #[test]
    fn data_loads_nothing_and_plain_http_promises_no_https() {
        insta::assert_snapshot!(headers("application/json", None, false), @r#"
        content-type: application/json
        x-content-type-options: nosniff
        referrer-policy: no-referrer
        content-security-policy: default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'
        "#);
    }
}
