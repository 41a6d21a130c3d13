//! Filters and sort keys in SQL say what the `scim` crate says.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use scim::{Filter, ListQuery, ResourceType};
use serde_json::{Map, json};

use super::*;

/// A small world of values, so that filters often match.
const TEXTS: [&str; 9] = ["", "a", "A", "ab", "B%", "b_", "Ä", "\"q\"", "work"];

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(&TEXTS[..]).prop_map(str::to_owned)
}

fn filled() -> impl Strategy<Value = String> {
    prop::sample::select(&TEXTS[1..]).prop_map(str::to_owned)
}

fn maybe<T: Into<Value> + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Value> {
    prop::option::of(value).prop_map(|value| value.map_or(Value::Null, Into::into))
}

fn element() -> impl Strategy<Value = Value> {
    (
        maybe(filled()),
        maybe(filled()),
        maybe(filled()),
        any::<bool>(),
    )
        .prop_map(|(value, display, kind, primary)| {
            let mut element = json!({"value": value, "display": display, "type": kind});
            if primary {
                element["primary"] = true.into();
            }
            element
        })
}

fn user() -> impl Strategy<Value = Value> {
    let emails = prop::collection::vec(element(), 0..3);
    (
        (
            maybe(filled()),
            maybe(filled()),
            maybe(filled()),
            maybe(filled()),
        ),
        (maybe(filled()), maybe(filled()), emails, any::<bool>()),
    )
        .prop_map(|(plain, rest)| {
            let (external_id, display_name, title, given_name) = plain;
            let (family_name, department, mut emails, active) = rest;
            // At most one is the primary one.
            let mut seen = false;
            for email in &mut emails {
                let primary = email["primary"] == true;
                if primary && seen {
                    email.as_object_mut().unwrap().remove("primary");
                }
                seen |= primary;
            }
            json!({
                "externalId": external_id,
                "displayName": display_name,
                "title": title,
                "name": {"givenName": given_name, "familyName": family_name},
                "emails": emails,
                "active": active,
                scim::schema::ENTERPRISE_USER.urn: {"department": department},
            })
        })
}

const USER_PATHS: [&str; 19] = [
    "userName",
    "externalId",
    "displayName",
    "title",
    "name.givenName",
    "name.familyName",
    "emails",
    "emails.type",
    "emails.display",
    "id",
    "schemas",
    "groups",
    "groups.display",
    "meta.location",
    "meta.version",
    "meta.resourceType",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
];
const GROUP_PATHS: [&str; 9] = [
    "displayName",
    "externalId",
    "id",
    "members",
    "members.display",
    "members.type",
    "members.$ref",
    "meta.version",
    "schemas",
];
const PRESENT_ONLY: [&str; 4] = ["name", "meta", "emails", "active"];

fn comparison(paths: &'static [&'static str]) -> impl Strategy<Value = String> {
    let operator =
        prop::sample::select(&["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"][..]);
    (prop::sample::select(paths), operator, text()).prop_map(|(path, operator, text)| {
        if operator == "pr" {
            format!("{path} pr")
        } else {
            format!("{path} {operator} {}", json!(text))
        }
    })
}

fn filter(
    leaf: impl Strategy<Value = String> + Clone + 'static,
) -> impl Strategy<Value = String> + Clone {
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn user_filter() -> impl Strategy<Value = String> {
    let inside = filter(comparison(&["value", "type", "display"]).boxed());
    let leaf = prop_oneof![
        6 => comparison(&USER_PATHS),
        1 => any::<bool>().prop_map(|value| format!("active eq {value}")),
        1 => any::<bool>().prop_map(|value| format!("emails[primary eq {value}].value sw \"a\"")),
        1 => prop::sample::select(&PRESENT_ONLY[..]).prop_map(|path| format!("{path} pr")),
        2 => inside.clone().prop_map(|inside| format!("emails[{inside}]")),
        1 => inside.prop_map(|inside| format!("groups[{inside}]")),
    ];
    filter(leaf.boxed())
}

fn group_filter() -> impl Strategy<Value = String> {
    let inside = filter(comparison(&["value", "type", "display", "$ref"]).boxed());
    let leaf = prop_oneof![
        3 => comparison(&GROUP_PATHS),
        1 => inside.prop_map(|inside| format!("members[{inside}]")),
    ];
    filter(leaf.boxed())
}

fn sample<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

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

/// The ids that a filter finds, in SQL and by the crate's own evaluation of what is rendered.
async fn compare(acme: &Client, endpoint: &str, resource_type: ResourceType, filters: &[String]) {
    let all = resources(acme, &format!("{endpoint}?count=1000")).await;
    let mut matched = 0;
    for text in filters {
        let filter = Filter::parse(resource_type, text, &Default::default()).unwrap();
        let asked = ListQuery {
            filter: Some(text.clone()),
            ..ListQuery::default()
        };
        // It reads everything too often.
        if asked.filter(resource_type, &Default::default()).is_err() {
            continue;
        }
        let expected: Vec<&Value> = all
            .iter()
            .filter(|resource| filter.matches(resource))
            .map(|resource| &resource["id"])
            .collect();
        let query = format!("{endpoint}?count=1000&filter={}", encoded(text));
        let found = resources(acme, &query).await;
        let found: Vec<&Value> = found.iter().map(|resource| &resource["id"]).collect();
        assert_eq!(found, expected, "{text}");
        matched += expected.len();
    }
    assert!(matched > filters.len(), "the filters hardly match anything");
}

/// A directory whose users, groups and members are random.
async fn world(gateway: &Gateway, runner: &mut TestRunner) -> Client {
    let acme = gateway.directory().await;
    let mut ids: Vec<String> = Vec::new();
    for n in 0..24 {
        let mut body = sample(runner, &user());
        body["userName"] = format!("{}{n}", TEXTS[1 + n % 8]).into();
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
            .filter(|_| sample(runner, &(0..4)) == 0)
            .map(String::as_str)
            .collect();
        groups.push(acme.group(TEXTS[1 + n % 8], &members).await);
    }
    acme
}

/// `PROPTEST_CASES` says how many of each.
#[tokio::test]
async fn random_filters_find_what_the_reference_finds() {
    let gateway = Gateway::start().await;
    let mut runner = TestRunner::new(Config::default());
    let acme = world(&gateway, &mut runner).await;
    let ids = resources(&acme, "/Users?attributes=id").await;
    let cases = runner.config().cases;
    let mut filters: Vec<String> = (0..cases)
        .map(|_| sample(&mut runner, &user_filter()))
        .collect();
    let created = resources(&acme, "/Users?attributes=meta").await;
    for (resource, operator) in created.iter().zip(["eq", "ge", "lt"]) {
        filters.push(format!(
            "meta.created {operator} {}",
            resource["meta"]["created"]
        ));
    }
    compare(&acme, "/Users", ResourceType::User, &filters).await;
    let mut filters: Vec<String> = (0..cases)
        .map(|_| sample(&mut runner, &group_filter()))
        .collect();
    filters.extend(ids.iter().map(|user| format!("members eq {}", user["id"])));
    filters.extend(
        ids.iter()
            .map(|user| format!("not (members eq {})", user["id"])),
    );
    compare(&acme, "/Groups", ResourceType::Group, &filters).await;
}

#[tokio::test]
async fn pages_are_sorted_as_the_reference_sorts() {
    let gateway = Gateway::start().await;
    let mut runner = TestRunner::new(Config::default());
    let acme = world(&gateway, &mut runner).await;
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
                assert_eq!(page["totalResults"], 24);
                let page = page["Resources"].as_array().unwrap().clone();
                found.extend(page.into_iter().map(|resource| resource["id"].clone()));
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{path} {order}");
        }
    }
}
