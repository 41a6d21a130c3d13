//! No response, however it was edited, signs in anybody but the person that the IdP signed.
#![no_main]

#[path = "../../tests/support/saml.rs"]
#[expect(dead_code, reason = "a part of a case is enough here")]
mod support;

use std::cell::LazyCell;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectors::NameId;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use support::Fixture;

/// Who a response names, whatever a connection's mapping makes of it.
type Person = (Option<NameId>, BTreeMap<String, Value>);

struct Corpus {
    /// Connections of several vendors' styles.
    connections: Vec<Fixture>,
    /// Everybody that the IdP has signed for; fixtures share its keys.
    genuine: Vec<Person>,
}

thread_local! {
    static CORPUS: LazyCell<Corpus> = const { LazyCell::new(corpus) };
}

fn corpus() -> Corpus {
    let connections = [
        "generic-clock-ahead",
        "generic-response-signed",
        "entra-response-and-assertion",
        "okta-response-and-assertion",
        "shibboleth-encrypted-gcm",
        "keycloak-document-and-assertion",
        "generic-inclusive-signed-info",
    ];
    let person = |fixture: &Fixture| {
        let identity = fixture.complete(fixture.field()).outcome;
        let identity = identity.expect("the fixture is accepted");
        (identity.name_id, identity.raw_attributes)
    };
    Corpus {
        connections: connections.map(|name| Fixture::open("accept", name)).into(),
        genuine: Fixture::all("accept").iter().map(person).collect(),
    }
}

fuzz_target!(|xml: &[u8]| {
    CORPUS.with(|corpus| {
        for connection in &corpus.connections {
            if let Ok(identity) = connection.complete(Some(STANDARD.encode(xml))).outcome {
                let person = (identity.name_id, identity.raw_attributes);
                assert!(corpus.genuine.contains(&person), "signed in {person:?}");
            }
        }
    });
});
