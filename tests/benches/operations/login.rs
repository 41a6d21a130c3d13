//! One whole sign-in: from the application's authorization request to its tokens, with the practice IdP asked
//! directly, so that only the gateway's steps are requests.

mod application;
mod oidc;
mod saml;

use std::sync::Arc;

use gateway::sandbox::people::Person;
use integration::{Idp, text};
use serde_json::{Value, json};

use application::App;
use oidc::OidcPath;
use saml::SamlPath;

use crate::{
    load::{Bench, Cost},
    report::Goal::AtMost,
};

/// Enough that eight clients rarely sign in the same person at once.
const PEOPLE: usize = 40;

/// To be repeated when there is more in the database.
pub(crate) struct Again {
    saml: SamlPath,
    saml_cost: Cost,
    oidc: Arc<OidcPath>,
    oidc_cost: Cost,
}

pub(crate) async fn measure(bench: &mut Bench) -> Again {
    let rs256 = Arc::new(App::register(&bench.tenon, "RS256").await);
    let es256 = Arc::new(App::register(&bench.tenon, "ES256").await);

    let (idp, organization) = customer(bench, "signed.example").await;
    idp.saml_connection(&bench.tenon, &organization, json!({"sign_requests": true}))
        .await;
    let path = SamlPath::new(Arc::clone(&rs256), idp, true);
    let cost = saml::measured(bench, &path).await;
    path.refuses_what_it_must().await;
    bench
        .report
        .cost("SAML login, request signed, RS256", cost, 2.5);
    let report = &mut bench.report;
    let what = |detail| format!("SAML login: {detail}");
    if let Some(database) = cost.database_ms {
        report.figure(what("database CPU"), "ms", database, AtMost(1.0));
    }
    let asked = cost.asked;
    report.figure(what("statements"), "", asked.statements, AtMost(8.0));
    let durable = asked.durable_commits;
    report.figure(what("durable commits"), "", durable, AtMost(2.0));

    let (idp, organization) = customer(bench, "unsigned.example").await;
    idp.saml_connection(&bench.tenon, &organization, json!({"sign_requests": false}))
        .await;
    let saml = SamlPath::new(Arc::clone(&es256), idp, false);
    let saml_cost = saml::measured(bench, &saml).await;
    bench
        .report
        .cost("SAML login, request not signed, ES256", saml_cost, 0.6);

    let (idp, organization) = customer(bench, "oidc.example").await;
    idp.oidc_connection(&bench.tenon, &organization, json!({}))
        .await;
    let cost = oidc::measured(bench, &Arc::new(OidcPath::new(rs256, Arc::clone(&idp)))).await;
    bench.report.cost("OIDC login, RS256", cost, 1.5);
    let oidc = Arc::new(OidcPath::new(es256, idp));
    let oidc_cost = oidc::measured(bench, &oidc).await;
    bench.report.cost("OIDC login, ES256", oidc_cost, None);
    Again {
        saml,
        saml_cost,
        oidc,
        oidc_cost,
    }
}

/// Now that there are more users, and so many organizations where they have been made.
pub(crate) async fn again(bench: &mut Bench, again: &Again, organizations: Option<usize>) {
    let more = match organizations {
        Some(count) => format!("more users, {count} organizations: CPU against before"),
        None => "more users: CPU against before".to_owned(),
    };
    let cost = saml::measured(bench, &again.saml).await;
    let what = format!("SAML login, {more}");
    bench.report.growth(what, again.saml_cost, cost, 1.1);
    let cost = oidc::measured(bench, &again.oidc).await;
    let what = format!("OIDC login, {more}");
    bench.report.growth(what, again.oidc_cost, cost, 1.1);
}

/// An organization with a domain, and its IdP with people in it.
async fn customer(bench: &Bench, domain: &str) -> (Arc<Idp>, Value) {
    let organization = bench.tenon.api().organization(domain, &[domain]).await;
    assert!(text(&organization["id"]).starts_with("org_"));
    let people = (0..PEOPLE).map(|number| Person::with_email(&format!("p{number}@{domain}")));
    let idp = Idp::start_with(&bench.tenon, people.collect()).await;
    (Arc::new(idp), organization)
}
