//! `POST /discovery`: which organization signs in this domain. Answered from memory.

use std::sync::Arc;

use integration::{Idp, text};
use serde_json::json;

use crate::{
    gauge::memory,
    load::{Bench, Cost},
    report::Goal::AtMost,
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
        known.push((format!("ada@{domain}"), text(&organization["id"])));
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

pub(crate) async fn grow(bench: &mut Bench, known: Known) {
    let before = memory_after_start(bench).await;
    let api = bench.tenon.api();
    let more = bench.scale.organizations[1] - bench.scale.organizations[0];
    let made = bench
        .prepare(more, move |number| {
            let api = api.clone();
            async move {
                let domain = format!("other{number}.example");
                api.organization(&domain, &[&domain]).await;
            }
        })
        .await;
    let after = memory_after_start(bench).await;
    let goal = MEMORY_OF_100K * made as f64 / 100_000.0;
    let what = format!("memory of {made} more organizations");
    bench
        .report
        .figure(what, "MiB", after - before, AtMost(goal));

    let cost = measured(bench, known.organizations).await;
    let what = format!("discovery, {made} organizations more: CPU against before");
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
