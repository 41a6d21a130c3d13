//! What a customer pastes or a URL answers as metadata is read or refused, and never more than that.
#![no_main]

use connectors::saml::parse_idp_metadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|xml: &str| {
    if let Ok(found) = parse_idp_metadata(xml) {
        assert!(found.iter().all(|idp| !idp.entity_id.is_empty()));
    }
});
