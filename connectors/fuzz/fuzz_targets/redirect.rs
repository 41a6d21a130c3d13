//! A logout message by redirect, which a stranger wrote: inflated within bounds, and never believed.
#![no_main]

#[path = "../../tests/support/saml.rs"]
#[expect(dead_code, reason = "only the connector is needed")]
mod support;

use std::cell::LazyCell;

use connectors::saml::LogoutCallback;
use libfuzzer_sys::fuzz_target;
use support::Fixture;

thread_local! {
    static ACCEPTED: LazyCell<Fixture> =
        const { LazyCell::new(|| Fixture::open("accept", "okta-response-and-assertion")) };
}

fuzz_target!(|text: &str| {
    ACCEPTED.with(|fixture| {
        let now = fixture.case.now;
        for callback in [
            LogoutCallback::Redirect { query: text },
            LogoutCallback::Post { form: text },
        ] {
            let read = fixture.connector.read_logout(callback, now);
            assert!(read.is_err(), "nobody signed it");
        }
    });
});
