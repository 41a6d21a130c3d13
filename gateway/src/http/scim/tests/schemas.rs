//! What `/Schemas` says of each attribute is what happens to it: every attribute of the documents is tried, so a new
//! one is too.

use std::collections::BTreeMap;

use scim::schema::ENTERPRISE_USER;

use super::*;

/// An attribute or a sub-attribute of a published schema, as its document has it.
#[derive(Debug)]
struct Row {
    /// The URN of the extension that it belongs to.
    extension: Option<String>,
    attribute: Value,
    /// Null for the attribute itself.
    sub: Value,
}

/// All rows of a resource type: those of its schema and of the extensions that it says it has.
async fn rows(acme: &Client, resource_type: &str) -> Vec<Row> {
    let document = acme.find(&format!("/ResourceTypes/{resource_type}")).await;
    let extensions = document["schemaExtensions"].as_array();
    let extensions = extensions.into_iter().flatten();
    let urn = |value: &Value| value["schema"].as_str().unwrap().to_owned();
    let mut schemas = vec![(urn(&document), None)];
    schemas.extend(extensions.map(|extension| (urn(extension), Some(urn(extension)))));
    let mut rows = Vec::new();
    for (urn, extension) in schemas {
        let schema = acme.find(&format!("/Schemas/{urn}")).await;
        for attribute in schema["attributes"].as_array().unwrap() {
            let subs = attribute["subAttributes"].as_array().into_iter().flatten();
            for sub in std::iter::once(&Value::Null).chain(subs) {
                rows.push(Row {
                    extension: extension.clone(),
                    attribute: attribute.clone(),
                    sub: sub.clone(),
                });
            }
        }
    }
    rows
}

impl Row {
    fn leaf(&self) -> &Value {
        if self.sub.is_null() {
            &self.attribute
        } else {
            &self.sub
        }
    }

    fn is(&self, characteristic: &str, value: impl Into<Value>) -> bool {
        self.leaf()[characteristic] == value.into()
    }

    fn is_text(&self) -> bool {
        ["string", "reference", "binary"]
            .iter()
            .any(|kind| self.is("type", *kind))
    }

    fn name(&self) -> &str {
        self.attribute["name"].as_str().unwrap()
    }

    /// As filters, PATCH and projection name it.
    fn path(&self) -> String {
        let name = match &self.extension {
            Some(urn) => format!("{urn}:{}", self.name()),
            None => self.name().to_owned(),
        };
        match self.sub["name"].as_str() {
            Some(sub) => format!("{name}.{sub}"),
            None => name,
        }
    }

    /// Whether a directory may set it to any value that it likes.
    fn is_free(&self) -> bool {
        let free = |attribute: &Value| attribute["mutability"] == "readWrite";
        free(&self.attribute) && (self.sub.is_null() || free(&self.sub))
            // A group's members are resources that there must be.
            && self.name() != "members"
    }

    /// A body in which it has this value, and nothing else.
    fn part(&self, value: Value) -> Value {
        let mut whole = value;
        if let Some(sub) = self.sub["name"].as_str() {
            whole = json!({ sub: whole });
            if self.attribute["multiValued"] == true {
                whole = json!([whole]);
            }
        }
        match &self.extension {
            Some(urn) => json!({ urn: {self.name(): whole}}),
            None => json!({ self.name(): whole}),
        }
    }

    /// The same, with what the value needs beside it: a label alone is no value.
    fn body(&self, value: Value) -> Value {
        let mut body = self.part(value);
        let content = self.attribute["subAttributes"][0]["name"].as_str();
        if let Some(content) = content.filter(|content| self.sub["name"] != *content)
            && self.attribute["multiValued"] == true
            && !self.sub.is_null()
        {
            // Base64, as well as anything else.
            body[self.name()][0][content] = "Text".into();
        }
        body
    }

    /// Its values in a resource.
    fn of(&self, resource: &Value) -> Vec<Value> {
        let holder = match &self.extension {
            Some(urn) => &resource[urn],
            None => resource,
        };
        let whole = match &holder[self.name()] {
            Value::Array(elements) => elements.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let values = whole
            .into_iter()
            .map(|one| match self.sub["name"].as_str() {
                Some(sub) => one[sub].clone(),
                None => one,
            });
        values.filter(|value| !value.is_null()).collect()
    }

    /// A value of its type. `somebody` is a user whom a link can point at.
    fn sample(&self, number: usize, somebody: &Value) -> Value {
        match self.leaf()["type"].as_str().unwrap() {
            "boolean" => number.is_multiple_of(2).into(),
            "binary" => ["QUJDaWY=", "WFlaaWY="][number % 2].into(),
            "reference" if self.leaf()["referenceTypes"] == json!(["User"]) => {
                somebody["meta"]["location"].clone()
            }
            "reference" => format!("https://Pages.example/{number}").into(),
            "string" if self.name() == "manager" => somebody["id"].clone(),
            "string" => format!("Sample {number}").into(),
            other => panic!("{self:?}: no sample of {other}"),
        }
    }
}

/// A body with the required attributes of a type, and these.
fn with(resource_type: &str, name: &str, more: Value) -> Value {
    let mut body = match resource_type {
        "User" => json!({"userName": name}),
        _ => json!({"displayName": name}),
    };
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

fn swapped(text: &str) -> String {
    let swap = |c: char| match c {
        c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
        c => c.to_ascii_lowercase(),
    };
    text.chars().map(swap).collect()
}

const TYPES: [&str; 2] = ["User", "Group"];

struct World {
    acme: Client,
    _gateway: Gateway,
    /// A user whom others point at.
    somebody: Value,
    rows: BTreeMap<&'static str, Vec<Row>>,
}

impl World {
    async fn start() -> Self {
        let gateway = Gateway::start().await;
        let acme = gateway.directory().await;
        let somebody = json!({"userName": "Somebody", "displayName": "Some Body"});
        let somebody = acme.post("/Users", somebody).await.expect(201).json;
        let mut all = BTreeMap::new();
        for resource_type in TYPES {
            all.insert(resource_type, rows(&acme, resource_type).await);
        }
        Self {
            acme,
            _gateway: gateway,
            somebody,
            rows: all,
        }
    }

    /// Each row with its resource type.
    fn each(&self) -> impl Iterator<Item = (&'static str, &Row)> {
        let rows = self.rows.iter();
        rows.flat_map(|(name, rows)| rows.iter().map(|row| (*name, row)))
    }

    /// A resource that has a value of everything that a directory can set or the server makes.
    async fn full(&self, resource_type: &str) -> Value {
        let acme = &self.acme;
        let mut body = with(resource_type, "Full", json!({}));
        for row in &self.rows[resource_type] {
            let complex = row.is("type", "complex");
            if !row.is_free() || complex || row.is("required", true) {
                continue;
            }
            let part = row.part(row.sample(0, &self.somebody));
            merge(&mut body, part);
        }
        if resource_type == "Group" {
            body["members"] = json!([{"value": self.somebody["id"]}]);
        }
        let id = acme
            .post(&format!("/{resource_type}s"), body)
            .await
            .expect(201)
            .id();
        if resource_type == "User" {
            acme.group("Team", &[&id]).await;
        }
        acme.find(&format!("/{resource_type}s/{id}")).await
    }

    /// The ids that a filter finds.
    async fn found(&self, resource_type: &str, filter: &str) -> Vec<Value> {
        let search = json!({"filter": filter, "attributes": ["id"]});
        let path = format!("/{resource_type}s/.search");
        let found = self.acme.post(&path, search).await.expect(200).json;
        let found = found["Resources"].as_array().unwrap();
        found.iter().map(|one| one["id"].clone()).collect()
    }
}

fn merge(into: &mut Value, part: Value) {
    match (into, part) {
        (Value::Object(into), Value::Object(part)) => {
            for (name, part) in part {
                merge(into.entry(name).or_insert(Value::Null), part);
            }
        }
        (Value::Array(into), Value::Array(mut part)) => merge(&mut into[0], part.remove(0)),
        (into, part) => *into = part,
    }
}

#[tokio::test]
async fn what_is_read_write_is_set_changed_and_taken_away() {
    let world = World::start().await;
    let acme = &world.acme;
    let mut tried = 0;
    for (resource_type, row) in world.each() {
        if !row.is_free() || row.is("type", "complex") || row.is("required", true) {
            continue;
        }
        tried += 1;
        let path = row.path();
        let sample = |number| row.sample(number, &world.somebody);
        let body = |number| with(resource_type, &path, row.body(sample(number)));
        let made = acme.post(&format!("/{resource_type}s"), body(1)).await;
        let made = made.expect(201);
        let url = format!("/{resource_type}s/{}", made.id());
        assert_eq!(row.of(&made.json), [sample(1)], "{path}");
        let put = acme.put(&url, body(2)).await.expect(200).json;
        assert_eq!(row.of(&put), [sample(2)], "{path}");
        assert_eq!(acme.find(&url).await, put, "{path}");
        for op in ["replace", "add"] {
            for number in [3, 4] {
                let change = json!([{"op": op, "path": path, "value": sample(number)}]);
                let patched = acme.patch(&url, change).await.expect(200).json;
                assert_eq!(row.of(&patched), [sample(number)], "{op} {path}");
            }
        }
        let remove = json!([{"op": "remove", "path": path}]);
        let removed = acme.patch(&url, remove).await.expect(200).json;
        assert!(row.of(&removed).is_empty(), "{path}: {removed}");
        // PUT is a replacement: what is not in it goes. Only `active` stays as it was (SCIM.md section 4).
        acme.put(&url, body(1)).await.expect(200);
        let bare = with(resource_type, &path, json!({}));
        let put = acme.put(&url, bare).await.expect(200).json;
        assert_eq!(row.of(&put).is_empty(), path != "active", "{path}: {put}");
    }
    assert!(tried > 50, "only {tried} attributes were tried");
}

#[tokio::test]
async fn what_is_read_only_is_passed_over_in_a_body_and_refused_as_a_path() {
    let world = World::start().await;
    let acme = &world.acme;
    let mut tried = Vec::new();
    for resource_type in TYPES {
        let full = world.full(resource_type).await;
        let url = format!("/{resource_type}s/{}", full["id"].as_str().unwrap());
        for row in &world.rows[resource_type] {
            let read_only = |attribute: &Value| attribute["mutability"] == "readOnly";
            if !read_only(&row.attribute) && !read_only(&row.sub) {
                continue;
            }
            let path = row.path();
            let mut body = full.clone();
            let forged = if row.is("type", "complex") {
                json!([{"value": "Forged"}])
            } else {
                "Forged".into()
            };
            merge(&mut body, row.part(forged.clone()));
            let put = acme.put(&url, body).await.expect(200).json;
            assert_eq!(put, full, "{path}");
            for op in ["add", "replace", "remove"] {
                let change = json!([{"op": op, "path": path, "value": forged}]);
                let refused = acme.patch(&url, change).await.expect(400);
                assert_eq!(refused.json["scimType"], "mutability", "{op} {path}");
            }
            assert_eq!(acme.find(&url).await, full, "{path}");
            tried.push(path);
        }
    }
    let manager = format!("{}:manager.displayName", ENTERPRISE_USER.urn);
    for path in ["groups", "groups.value", &manager, "members.display"] {
        assert!(tried.iter().any(|tried| tried == path), "{tried:?}");
    }
}

#[tokio::test]
async fn what_is_immutable_stays_as_it_was_made() {
    let world = World::start().await;
    let acme = &world.acme;
    let mut tried = 0;
    for resource_type in TYPES {
        let full = world.full(resource_type).await;
        let url = format!("/{resource_type}s/{}", full["id"].as_str().unwrap());
        for row in &world.rows[resource_type] {
            if !row.is("mutability", "immutable") {
                continue;
            }
            tried += 1;
            let (name, sub) = (row.name(), row.sub["name"].as_str().unwrap());
            let selected = format!("{name}[type eq \"User\"].{sub}");
            for path in [row.path(), selected] {
                for op in ["add", "replace", "remove"] {
                    let change = json!([{"op": op, "path": path, "value": "Other"}]);
                    let refused = acme.patch(&url, change).await.expect(400);
                    assert_eq!(refused.json["scimType"], "mutability", "{op} {path}");
                }
            }
            assert_eq!(acme.find(&url).await, full);
        }
    }
    assert_eq!(tried, 3);
    // A member is named by its value; what else is said of it can't make it another.
    let full = world.full("Group").await;
    let url = format!("/Groups/{}", full["id"].as_str().unwrap());
    let mut body = full.clone();
    body["members"][0]["type"] = "Group".into();
    body["members"][0]["$ref"] = "https://elsewhere.example/Groups/x".into();
    assert_eq!(acme.put(&url, body).await.expect(200).json, full);
}

#[tokio::test]
async fn what_is_required_is_there_and_stays() {
    let world = World::start().await;
    let acme = &world.acme;
    let mut required = Vec::new();
    for (resource_type, row) in world.each() {
        if !row.is("required", true) {
            continue;
        }
        let path = row.path();
        let endpoint = format!("/{resource_type}s");
        let made = acme
            .post(&endpoint, with(resource_type, "Whole", json!({})))
            .await;
        let made = made.expect(201);
        let url = format!("{endpoint}/{}", made.id());
        for missing in [json!({}), row.body(Value::Null), row.body(" ".into())] {
            for answer in [
                acme.post(&endpoint, missing.clone()).await,
                acme.put(&url, missing).await,
            ] {
                let refused = answer.expect(400).json;
                assert_eq!(refused["scimType"], "invalidValue", "{path}");
                assert!(refused["detail"].as_str().unwrap().contains(&path));
            }
        }
        for (change, scim_type) in [
            (json!({"op": "remove", "path": path}), "mutability"),
            (
                json!({"op": "replace", "path": path, "value": null}),
                "invalidValue",
            ),
            (
                json!({"op": "replace", "value": row.body(Value::Null)}),
                "invalidValue",
            ),
        ] {
            let refused = acme.patch(&url, json!([change])).await.expect(400).json;
            assert_eq!(refused["scimType"], scim_type, "{path}");
        }
        assert_eq!(acme.find(&url).await, made.json);
        required.push(path);
    }
    // Nothing else is: bodies with these alone were accepted.
    assert_eq!(required, ["displayName", "userName"]);
}

#[tokio::test]
async fn what_is_returned_by_default_can_be_left_out_and_what_never_is_can_not_be_had() {
    let world = World::start().await;
    let acme = &world.acme;
    for resource_type in TYPES {
        let full = world.full(resource_type).await;
        let url = format!("/{resource_type}s/{}", full["id"].as_str().unwrap());
        for row in &world.rows[resource_type] {
            let path = row.path();
            let only = acme.find(&format!("{url}?attributes={path}")).await;
            let without = acme.find(&format!("{url}?excludedAttributes={path}")).await;
            for answer in [&only, &without] {
                assert_eq!(answer["id"], full["id"], "{path}");
                assert_eq!(answer["schemas"], full["schemas"], "{path}");
            }
            if row.is("returned", "never") {
                assert_eq!(path, "password");
                assert!(row.of(&only).is_empty());
                assert_eq!(only.as_object().unwrap().len(), 2, "{only}");
                for query in [
                    "filter=password%20pr",
                    "filter=password%20eq%20%22x%22",
                    "sortBy=password",
                ] {
                    acme.get(&format!("/Users?{query}")).await.expect(400);
                }
                for body in [
                    with(resource_type, "Secretive", row.body("Secret".into())),
                    json!({"userName": "Secretive 2", "PASSWORD": "Secret"}),
                ] {
                    let made = acme.post("/Users?attributes=password,userName", body).await;
                    let made = made.expect(201).json;
                    assert!(!made.to_string().contains("Secret\""), "{made}");
                }
                let change = json!([{"op": "replace", "path": path, "value": "Secret"}]);
                let patched = acme.patch(&url, change).await.expect(200).json;
                assert_eq!(patched, full, "nothing is kept of it");
                continue;
            }
            assert!(row.is("returned", "default"), "{row:?}");
            assert!(!row.of(&full).is_empty(), "{path} is nowhere in {full}");
            assert_eq!(row.of(&only), row.of(&full), "{path}");
            // Nothing else comes along, but for `id` and `schemas`.
            let top = row.extension.as_deref().unwrap_or(row.name());
            for key in only.as_object().unwrap().keys() {
                assert!(["id", "schemas", top].contains(&key.as_str()), "{only}");
            }
            assert!(row.of(&without).is_empty(), "{path}: {without}");
            for other in &world.rows[resource_type] {
                if other.path().starts_with(&path) || path.starts_with(&other.path()) {
                    continue;
                }
                assert_eq!(other.of(&without), other.of(&full), "{path}");
            }
            // A list, too.
            let listed = format!("/{resource_type}s?excludedAttributes={path}");
            for one in acme.find(&listed).await["Resources"].as_array().unwrap() {
                assert!(row.of(one).is_empty(), "{path}: {one}");
            }
        }
    }
}

#[tokio::test]
async fn case_counts_in_filters_where_it_is_said_to() {
    let world = World::start().await;
    let mut tried = (0, 0);
    for resource_type in TYPES {
        let full = world.full(resource_type).await;
        let id = [full["id"].clone()];
        for row in &world.rows[resource_type] {
            let path = row.path();
            if !row.is_text() || row.is("returned", "never") {
                assert!(row.leaf().get("caseExact").is_none() || path == "password");
                continue;
            }
            let value = row.of(&full).remove(0);
            let other: Value = swapped(value.as_str().unwrap()).into();
            assert_ne!(value, other, "{path}");
            let exact = row.leaf()["caseExact"].as_bool().unwrap();
            match exact {
                true => tried.0 += 1,
                false => tried.1 += 1,
            }
            // Binary values are only ever equal or not.
            let operators: &[&str] = match row.is("type", "binary") {
                true => &["eq"],
                false => &["eq", "sw", "ew", "co"],
            };
            for operator in operators {
                let same = format!("{path} {operator} {value}");
                let found = world.found(resource_type, &same).await;
                assert!(found.contains(&id[0]), "{same}");
                let in_other_case = format!("{path} {operator} {other}");
                let found = world.found(resource_type, &in_other_case).await;
                assert_eq!(found.contains(&id[0]), !exact, "{in_other_case}");
            }
        }
    }
    assert!(tried.0 > 5 && tried.1 > 40, "{tried:?}");
}

#[tokio::test]
async fn what_is_unique_is_refused_twice_and_all_else_is_not() {
    let world = World::start().await;
    let acme = &world.acme;
    let mut unique = Vec::new();
    for (resource_type, row) in world.each() {
        if !row.is_free() || row.is("type", "complex") {
            continue;
        }
        let path = row.path();
        let sample = row.sample(0, &world.somebody);
        let again = match &sample {
            Value::String(text) if row.is("caseExact", false) => swapped(text).into(),
            same => same.clone(),
        };
        let endpoint = format!("/{resource_type}s");
        let one = with(resource_type, &format!("{path} 1"), row.body(sample));
        let two = with(resource_type, &format!("{path} 2"), row.body(again));
        acme.post(&endpoint, one).await.expect(201);
        let second = acme.post(&endpoint, two.clone()).await;
        if row.is("uniqueness", "none") {
            second.expect(201);
            continue;
        }
        assert!(row.is("uniqueness", "server"), "{row:?}");
        let refused = second.expect(409).json;
        assert_eq!(refused["scimType"], "uniqueness", "{path}");
        let third = with(resource_type, &format!("{path} 3"), json!({}));
        let third = acme.post(&endpoint, third).await.expect(201).id();
        let url = format!("{endpoint}/{third}");
        let refused = acme.put(&url, two.clone()).await.expect(409).json;
        assert_eq!(refused["scimType"], "uniqueness", "{path}");
        let change = json!([{"op": "replace", "value": two}]);
        let refused = acme.patch(&url, change).await.expect(409).json;
        assert_eq!(refused["scimType"], "uniqueness", "{path}");
        unique.push(path);
    }
    assert_eq!(unique, ["userName"]);
}

#[tokio::test]
async fn values_have_the_type_that_is_said_and_canonical_ones_are_suggestions() {
    let world = World::start().await;
    let acme = &world.acme;
    for (resource_type, row) in world.each() {
        if !row.is_free() {
            continue;
        }
        let path = row.path();
        let endpoint = format!("/{resource_type}s");
        let wrong = match row.leaf()["type"].as_str().unwrap() {
            "boolean" => vec![json!("perhaps"), json!(7), json!({"a": {}})],
            "binary" => vec![json!("no base64!"), json!({"a": {}}), json!(true)],
            "complex" => vec![json!(true), json!([true])],
            _ => vec![json!({"a": {}}), json!(["a", "b"]), json!(true)],
        };
        for wrong in wrong {
            let body = with(resource_type, &path, row.body(wrong.clone()));
            let refused = acme.post(&endpoint, body).await.expect(400).json;
            assert_eq!(refused["scimType"], "invalidValue", "{path}: {wrong}");
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains(row.name()), "{path}: {detail}");
        }
        let suggested = row.leaf()["canonicalValues"].as_array();
        let suggested = suggested.into_iter().flatten().cloned();
        for (number, value) in suggested.chain([json!("Of our own")]).enumerate() {
            if row.leaf().get("canonicalValues").is_none() {
                break;
            }
            let name = format!("{path} {number}");
            let body = with(resource_type, &name, row.body(value.clone()));
            let made = acme.post(&endpoint, body).await.expect(201).json;
            assert_eq!(row.of(&made), [value], "{path}");
        }
    }
}

/// Fails at what a schema does not have, and at what it says is of another type or required.
fn conforms(attributes: &Value, object: &Value, place: &str) {
    let attributes = attributes.as_array().unwrap();
    let object = object.as_object().unwrap();
    for attribute in attributes {
        let name = attribute["name"].as_str().unwrap();
        let there = object.contains_key(name);
        assert!(there || attribute["required"] != true, "{place}.{name}");
    }
    for (name, value) in object {
        let place = format!("{place}.{name}");
        let attribute = attributes
            .iter()
            .find(|attribute| attribute["name"] == **name);
        let Some(attribute) = attribute else {
            // The schema of schemas ends somewhere: what a sub-attribute of an attribute's sub-attribute has is not
            // said again (RFC 7643 section 8.7.2 stops there too).
            assert_eq!(name, "subAttributes", "{place} is in no schema");
            let nested = value.as_array().unwrap().iter();
            nested.for_each(|nested| conforms(&json!(attributes), nested, &place));
            continue;
        };
        let values = match (value, attribute["multiValued"] == true) {
            (Value::Array(values), true) => values.clone(),
            (value, multi_valued) => {
                assert!(!multi_valued && !value.is_array(), "{place}");
                vec![value.clone()]
            }
        };
        for value in values {
            match attribute["type"].as_str().unwrap() {
                "string" | "binary" => assert!(value.is_string(), "{place}"),
                "reference" => {
                    assert!(attribute["referenceTypes"].is_array());
                    assert!(value.is_string(), "{place}");
                }
                "boolean" => assert!(value.is_boolean(), "{place}"),
                "integer" => assert!(value.is_u64(), "{place}"),
                "complex" => conforms(&attribute["subAttributes"], &value, &place),
                other => panic!("{place}: {other}"),
            }
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_its_schemas_say() {
    let world = World::start().await;
    let acme = &world.acme;
    let mut schemas = BTreeMap::new();
    let mut answers = vec![acme.find("/ServiceProviderConfig").await];
    for path in ["/ResourceTypes", "/Schemas"] {
        answers.extend(
            acme.find(path).await["Resources"]
                .as_array()
                .unwrap()
                .clone(),
        );
    }
    for schema in answers
        .iter()
        .filter(|answer| answer["attributes"].is_array())
    {
        let urn = schema["id"].as_str().unwrap().to_owned();
        schemas.insert(urn, schema["attributes"].clone());
    }
    for resource_type in TYPES {
        answers.push(world.full(resource_type).await);
    }
    for mut answer in answers {
        let place = answer["meta"]["location"].as_str().unwrap().to_owned();
        let said = answer["schemas"].as_array().unwrap().clone();
        let object = answer.as_object_mut().unwrap();
        // RFC 7643 section 3.1: the common attributes are in no schema.
        for common in ["schemas", "id", "externalId", "meta"] {
            object.remove(common);
        }
        for urn in &said[1..] {
            let urn = urn.as_str().unwrap();
            let extension = object.remove(urn).unwrap();
            conforms(&schemas[urn], &extension, &place);
        }
        conforms(&schemas[said[0].as_str().unwrap()], &answer, &place);
    }
}

#[tokio::test]
async fn of_each_attribute_one_value_at_most_is_the_primary_one() {
    let world = World::start().await;
    let acme = &world.acme;
    let rows = world.rows["User"].iter();
    let rows: Vec<&Row> = rows.filter(|row| row.sub["name"] == "primary").collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name()).collect();
    let expected = [
        "emails",
        "phoneNumbers",
        "ims",
        "photos",
        "addresses",
        "entitlements",
        "roles",
        "x509Certificates",
    ];
    assert_eq!(names, expected);
    for row in rows {
        let name = row.name();
        let content = row.attribute["subAttributes"][0]["name"].as_str().unwrap();
        let element = |label: &str, primary: bool| {
            // Base64, as well as anything else.
            let value = label.repeat(4);
            json!({content: value, "type": label, "primary": primary})
        };
        // The primary one, and that filters find it and no other.
        let check = async |answer: Answer, primary: Option<&str>, what: &str| {
            let user = answer.expect(if what == "POST" { 201 } else { 200 }).json;
            let elements = user[name].as_array().unwrap();
            let primaries = elements.iter().filter(|one| one["primary"] == true);
            let labels: Vec<&str> = primaries.map(|one| one["type"].as_str().unwrap()).collect();
            assert_eq!(labels, Vec::from_iter(primary), "{what}: {user}");
            let id = user["id"].clone();
            let url = format!("/Users/{}", id.as_str().unwrap());
            assert_eq!(acme.find(&url).await, user, "{what}");
            for label in ["a", "b", "c"] {
                let filter =
                    format!("id eq {id} and {name}[primary eq true and type eq \"{label}\"]");
                let found = world.found("User", &filter).await;
                assert_eq!(found.len(), usize::from(primary == Some(label)), "{filter}");
            }
            url
        };
        let two = json!([element("a", true), element("b", true)]);
        let body = |elements: Value| json!({"userName": name, name: elements});
        let url = check(
            acme.post("/Users", body(two.clone())).await,
            Some("a"),
            "POST",
        )
        .await;
        let moved = json!([element("a", false), element("b", true)]);
        check(acme.put(&url, body(moved)).await, Some("b"), "PUT").await;
        check(
            acme.put(&url, body(two.clone())).await,
            Some("a"),
            "PUT of two",
        )
        .await;
        let without_primary = |label: &str| {
            let mut one = element(label, false);
            one.as_object_mut().unwrap().remove("primary");
            one
        };
        let mut promoted = without_primary("b");
        promoted["primary"] = "True".into();
        for (change, primary, what) in [
            (
                json!({"op": "add", "path": name, "value": [element("c", true)]}),
                Some("c"),
                "a new one",
            ),
            (
                json!({"op": "replace", "path": format!("{name}[type eq \"b\"].primary"), "value": true}),
                Some("b"),
                "a flag",
            ),
            (
                json!({"op": "Replace", "path": format!("{name}[type eq \"a\"].primary"), "value": "True"}),
                Some("a"),
                "a flag as text",
            ),
            (
                json!({"op": "replace", "path": format!("{name}[type eq \"b\"]"), "value": promoted}),
                Some("b"),
                "an element",
            ),
            (
                json!({"op": "add", "path": format!("{name}[type eq \"c\"]"), "value": {"primary": true}}),
                Some("c"),
                "a part of an element",
            ),
            (
                json!({"op": "add", "value": {name: [element("a", true)]}}),
                Some("a"),
                "one that is there",
            ),
            (
                json!({"op": "replace", "value": {format!("{name}[type eq \"b\"].primary"): true}}),
                Some("b"),
                "a key that is a path",
            ),
            (
                json!({"op": "replace", "path": format!("{name}.primary"), "value": true}),
                Some("a"),
                "all of them",
            ),
            (
                json!({"op": "replace", "path": name, "value": two}),
                Some("a"),
                "two at once",
            ),
            (
                json!({"op": "replace", "value": {name: [element("b", true), element("c", true)]}}),
                Some("b"),
                "two without a path",
            ),
            (
                json!({"op": "remove", "path": format!("{name}[type eq \"b\"]")}),
                None,
                "a removal",
            ),
            (
                json!({"op": "add", "path": name, "value": element("a", true)}),
                Some("a"),
                "one object",
            ),
            (
                json!({"op": "replace", "path": format!("{name}[primary eq true].primary"), "value": false}),
                None,
                "a flag taken away",
            ),
        ] {
            let answer = acme.patch(&url, json!([change])).await;
            check(answer, primary, what).await;
            // Said again, it changes nothing.
            if ["a new one", "a flag", "an element", "two at once"].contains(&what) {
                let before = acme.find(&url).await;
                let again = acme.patch(&url, json!([change])).await.expect(200).json;
                assert_eq!(again, before, "{name}: {what}");
            }
        }
    }
}
