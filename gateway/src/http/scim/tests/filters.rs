//! Filters and sort keys in SQL say what the `scim` crate says.

mod random;

use proptest::prelude::RngExt;
use proptest::test_runner::{Config, TestRng, TestRunner};
use scim::filter::MAX_LENGTH;
use scim::{ListQuery, ResourceType, ScimError};
use serde_json::Map;

use self::random::Writer;
use super::*;

/// Of each type of resource.
const FILTERS: usize = 1_200;
const USERS: usize = 24;

async fn resources(acme: &Client, query: &str) -> Vec<Map<String, Value>> {
    let found = acme.find(query).await;
    let resources = found["Resources"].as_array().unwrap();
    assert_eq!(found["totalResults"], resources.len());
    let resources = resources.iter();
    resources
        .map(|resource| resource.as_object().unwrap().clone())
        .collect()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Every text in some JSON.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, into)),
        Value::Object(parts) => parts.values().for_each(|value| texts(value, into)),
        _ => {}
    }
}

/// The ids that a filter finds, in SQL and by the crate's own evaluation of what is rendered.
async fn compare(acme: &Client, random: &mut TestRng, resource_type: ResourceType) {
    let endpoint = resource_type.endpoint();
    let all = resources(acme, &format!("{endpoint}?count=1000")).await;
    let mut held = Vec::new();
    all.iter()
        .flat_map(Map::values)
        .for_each(|value| texts(value, &mut held));
    let (mut asked, mut telling) = (0, 0);
    while asked < FILTERS {
        let mut writer = Writer {
            random: &mut *random,
            resource_type,
            resources: &all,
            held: &held,
        };
        let text = writer.filter();
        if text.len() > MAX_LENGTH {
            continue;
        }
        let query = ListQuery {
            filter: Some(text.clone()),
            ..ListQuery::default()
        };
        let filter = match query.filter(resource_type, &Default::default()) {
            Ok(filter) => filter.unwrap(),
            // It would read everything too often.
            Err(ScimError::FilterTooSlow { .. }) => continue,
            Err(error) => panic!("{text}: {error}"),
        };
        let matching: Vec<_> = all.iter().filter(|one| filter.matches(one)).collect();
        let expected: Vec<&Value> = matching.iter().map(|resource| &resource["id"]).collect();
        let query = format!(
            "{endpoint}?count=1000&attributes=id&filter={}",
            encoded(&text)
        );
        let found = resources(acme, &query).await;
        let found: Vec<&Value> = found.iter().map(|resource| &resource["id"]).collect();
        let differs = |resource: &&Map<String, Value>| {
            found.contains(&&resource["id"]) != expected.contains(&&resource["id"])
        };
        let differing: Vec<_> = all.iter().filter(differs).collect();
        assert!(differing.is_empty(), "{text}\n{filter}\n{differing:#?}");
        assert_eq!(found, expected, "{text}");
        asked += 1;
        telling += usize::from(!found.is_empty() && found.len() < all.len());
    }
    assert!(
        telling > FILTERS / 8,
        "only {telling} filters tell any from others"
    );
}

/// A directory whose users, groups and members are random.
async fn world(gateway: &Gateway, random: &mut TestRng) -> Client {
    let acme = gateway.directory().await;
    let mut ids: Vec<String> = Vec::new();
    for n in 0..USERS {
        let mut body = random::user(random);
        body["userName"] = format!("{}{n}", ["a", "A", "B%", "b_", "Ä", "ß", "𝄞"][n % 7]).into();
        if n % 5 == 4 {
            let extension = scim::schema::ENTERPRISE_USER.urn;
            body[extension]["manager"] = json!({"value": ids[n - 4]});
        }
        ids.push(acme.post("/Users", body).await.expect(201).id());
    }
    let mut groups: Vec<String> = Vec::new();
    for n in 0..10 {
        let members: Vec<&str> = ids
            .iter()
            .chain(&groups)
            .filter(|_| random.random_bool(0.25))
            .map(String::as_str)
            .collect();
        groups.push(
            acme.group(["a", "A", "ä", "Ä", "work"][n % 5], &members)
                .await,
        );
    }
    acme
}

#[tokio::test]
async fn random_filters_find_what_the_reference_finds() {
    let gateway = Gateway::start().await;
    let mut runner = TestRunner::new(Config::default());
    let random = runner.rng();
    let acme = world(&gateway, random).await;
    compare(&acme, random, ResourceType::User).await;
    compare(&acme, random, ResourceType::Group).await;
}

/// `meta` is columns and what the server knows by itself, no rows as other complex attributes are.
#[tokio::test]
async fn brackets_behind_meta_find_what_its_parts_would() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    acme.user("ada").await;
    acme.group("Engineers", &[]).await;
    for (endpoint, filter, count) in [
        ("/Users", "meta[resourceType eq \"User\"]", 1),
        ("/Users", "META[ResourceType ge \"V\"]", 0),
        (
            "/Users",
            "not (meta[created lt \"2020-01-01T00:00:00Z\"])",
            1,
        ),
        (
            "/Users",
            "meta[version eq \"W/\\\"1\\\"\" and not (location pr)]",
            0,
        ),
        ("/Groups", "meta[resourceType sw \"Gr\" and location pr]", 1),
        ("/Groups", "meta[created pr].resourceType eq \"Group\"", 1),
    ] {
        let query = format!("{endpoint}?filter={}", encoded(filter));
        assert_eq!(resources(&acme, &query).await.len(), count, "{filter}");
    }
}

#[tokio::test]
async fn pages_are_sorted_as_the_reference_sorts() {
    let gateway = Gateway::start().await;
    let mut runner = TestRunner::new(Config::default());
    let acme = world(&gateway, runner.rng()).await;
    let all = resources(&acme, "/Users").await;
    for path in [
        "userName",
        "displayName",
        "emails",
        "emails.type",
        "name.givenName",
        "active",
    ] {
        for order in ["ascending", "descending"] {
            let parameters = [("sortBy", path), ("sortOrder", order)];
            let query = ListQuery::from_parameters(parameters).unwrap();
            let sort = query.sort(ResourceType::User).unwrap().unwrap();
            let mut expected = all.clone();
            expected.sort_by(|a, b| sort.compare(a, b));
            let expected: Vec<&Value> = expected.iter().map(|resource| &resource["id"]).collect();
            let mut found = Vec::new();
            for start in [1, 11, 21] {
                let query =
                    format!("/Users?sortBy={path}&sortOrder={order}&count=10&startIndex={start}");
                let page = acme.find(&query).await;
                assert_eq!(page["totalResults"], USERS);
                let page = page["Resources"].as_array().unwrap().clone();
                found.extend(page.into_iter().map(|resource| resource["id"].clone()));
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{path} {order}");
        }
    }
}
