//! `POST /discovery`: which organization signs in this domain, or a subdomain of it. Answered from memory.

use std::sync::Arc;

use integration::{Idp, text};
use serde_json::json;

use crate::{
    gauge::memory,
    load::{Bench, Cost},
    report::Goal::AtMost,
    seed,
};

/// The few, as (email, organization).
pub(crate) struct Known {
    organizations: Arc<[(String, String)]>,
    cost: Cost,
}

/// Of a hundred thousand organizations (PERFORMANCE.md).
const MEMORY_OF_100K: f64 = 30.0;

pub(crate) async fn with_few(bench: &mut Bench) -> Known {
    let api = bench.tenon.api();
    let idp = Idp::start(&bench.tenon, &[]).await;
    let mut known = Vec::new();
    for number in 0..bench.scale.organizations[0] {
        let domain = format!("known{number}.example");
        let organization = api.organization(&domain, &[&domain]).await;
        idp.oidc_connection(&bench.tenon, &organization, json!({}))
            .await;
        let id = text(&organization["id"]);
        let domains = format!("/organizations/{id}/domains");
        let found = api.get(&domains).await.expect(200);
        let path = format!("{domains}/{}", text(&found["data"][0]["id"]));
        let body = json!({"include_subdomains": true});
        api.patch(&path, body).await.expect(200);
        for exact_or_below in ["", "mail."] {
            known.push((format!("ada@{exact_or_below}{domain}"), id.clone()));
        }
    }
    let organizations: Arc<[_]> = known.into();
    let cost = measured(bench, Arc::clone(&organizations)).await;
    let count = bench.scale.organizations[0];
    let what = format!("discovery, {count} organizations");
    bench.report.cost(what, cost, 0.02);
    Known {
        organizations,
        cost,
    }
}

/// With so many more organizations in the database as `scale.organizations[step]` says, and the cost against
/// the few.
pub(crate) async fn grow(bench: &mut Bench, known: &Known, step: usize) {
    let before = memory_after_start(bench).await;
    let [from, count] = [step - 1, step].map(|step| bench.scale.organizations[step]);
    let database = bench.tenon.database().url().to_owned();
    bench.tenon.terminate().await;
    seed::organizations(&database, bench.kind, from..count).await;
    bench.tenon.restart().await;
    let after = memory(bench.tenon.pid(), "VmRSS");
    let made = count - from;
    let goal = MEMORY_OF_100K * made as f64 / 100_000.0;
    let what = format!("memory of {made} more organizations");
    bench
        .report
        .figure(what, "MiB", after - before, AtMost(goal));

    let cost = measured(bench, Arc::clone(&known.organizations)).await;
    bench
        .report
        .cost(format!("discovery, {count} organizations"), cost, 0.02);
    let what = format!("discovery, {count} organizations: CPU against before");
    bench.report.growth(what, known.cost, cost, 1.15);
}

async fn measured(bench: &mut Bench, known: Arc<[(String, String)]>) -> Cost {
    let api = bench.tenon.api();
    let lookups = bench.scale.lookups;
    bench
        .cost("discovery", lookups, move |number| {
            let (api, known) = (api.clone(), Arc::clone(&known));
            async move {
                let (email, organization) = &known[number % known.len()];
                let answer = api.post("/discovery", json!({"email": email})).await;
                let answer = answer.expect(200);
                assert_eq!(answer["decision"], "sso", "{answer}");
                assert_eq!(answer["organization_id"], **organization);
            }
        })
        .await
}

async fn memory_after_start(bench: &mut Bench) -> f64 {
    bench.tenon.terminate().await;
    bench.tenon.restart().await;
    memory(bench.tenon.pid(), "VmRSS")
}
