//! `fixtures/scim`: what each directory says, and what it must hear. Adding a folder adds a test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn read(path: &Path, captured: &BTreeMap<String, String>) -> Value {
    let mut text = std::fs::read_to_string(path).unwrap();
    for (name, value) in captured {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    serde_json::from_str(&text).unwrap()
}

/// Whether the expected part is there, as the folder's README has it.
fn is_part(expected: &Value, found: Option<&Value>) -> bool {
    let nothing = Value::Null;
    let found = found.unwrap_or(&nothing);
    match (expected, found) {
        (Value::String(any), found) if any == "{{any}}" => !found.is_null(),
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .all(|(key, value)| is_part(value, found.get(key))),
        (Value::Array(expected), Value::Null) => expected.is_empty(),
        (Value::Array(expected), Value::Array(found)) => {
            let mut left: Vec<&Value> = found.iter().collect();
            expected.len() == found.len()
                && expected.iter().all(|value| {
                    let index = left.iter().position(|found| is_part(value, Some(found)));
                    index.map(|index| left.swap_remove(index)).is_some()
                })
        }
        (expected, found) => expected == found,
    }
}

pub(super) async fn replay(acme: &Client, story: &Path) {
    let mut captured = BTreeMap::new();
    for number in 1.. {
        let file = |kind: &str| story.join(format!("{number:02}-{kind}.json"));
        if !file("request").exists() {
            assert!(number > 1, "{}: no request", story.display());
            return;
        }
        let request = read(&file("request"), &captured);
        let expected = read(&file("answer"), &captured);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers: Vec<(String, String)> = request["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_lowercase(), text(value)))
            .collect();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = match &request["body"] {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let method: Method = text(&request["method"]).parse().unwrap();
        let path = text(&request["path"]);
        let answer = acme.send(method.clone(), &path, &headers, body).await;
        let place = format!("{}: {number:02} {method} {path}", story.display());
        let no_content = method == Method::PATCH
            && expected["status"] == 200
            && answer.status == 204
            && expected["body"].is_null();
        let status = answer.status.as_u16();
        assert!(
            no_content || expected["status"] == status,
            "{place}: {status} {}",
            answer.json
        );
        if !expected["body"].is_null() {
            let fits = is_part(&expected["body"], Some(&answer.json));
            assert!(
                fits,
                "{place}: {:#}\nwithin {:#}",
                expected["body"], answer.json
            );
        }
        for (name, pointer) in expected["capture"].as_object().into_iter().flatten() {
            let part = answer.json.pointer(pointer.as_str().unwrap());
            captured.insert(name.clone(), text(part.unwrap_or(&Value::Null)));
        }
    }
}

#[tokio::test]
async fn every_directory_hears_what_it_expects() {
    let gateway = Gateway::start().await;
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    let mut stories = 0;
    for directory in folders(&all) {
        for story in folders(&directory) {
            let acme = gateway.directory().await;
            replay(&acme, &story).await;
            stories += 1;
        }
    }
    assert!(stories >= 150, "{stories} stories");
}
