//! A logout message by redirect or POST, which a stranger wrote: inflated within bounds, and never believed. The input
//! is taken as it is, and as the message that a query carries.
#![no_main]

#[path = "../../tests/support/saml.rs"]
#[expect(dead_code, reason = "only the connector is needed")]
mod support;

use std::cell::LazyCell;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectors::saml::LogoutCallback;
use libfuzzer_sys::fuzz_target;
use support::Fixture;

thread_local! {
    static ACCEPTED: LazyCell<Fixture> =
        const { LazyCell::new(|| Fixture::open("accept", "okta-response-and-assertion")) };
}

fuzz_target!(|text: &str| {
    let escaped = |bytes: &[u8]| -> String {
        url::form_urlencoded::byte_serialize(STANDARD.encode(bytes).as_bytes()).collect()
    };
    let deflated = escaped(&miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 1));
    let signed =
        "SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256&Signature=AA%3D%3D";
    let query = format!("SAMLRequest={deflated}&RelayState=x&{signed}");
    let form = format!("SAMLRequest={}", escaped(text.as_bytes()));
    ACCEPTED.with(|fixture| {
        let now = fixture.case.now;
        for callback in [
            LogoutCallback::Redirect { query: text },
            LogoutCallback::Redirect { query: &query },
            LogoutCallback::Post { form: text },
            LogoutCallback::Post { form: &form },
        ] {
            let read = fixture.connector.read_logout(callback, now);
            assert!(read.is_err(), "nobody signed it");
        }
    });
});
