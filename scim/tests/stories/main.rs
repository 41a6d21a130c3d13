//! Replays `fixtures/scim` against a small reference server in memory. Its README has the format.

mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use server::Server;

#[test]
fn every_story_goes_as_it_was_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    let mut told = 0;
    for directory in folders(&root) {
        let known = scim::provider::all()
            .iter()
            .any(|p| directory.ends_with(&p.id));
        assert!(known, "{} has no file in providers/", directory.display());
        for story in folders(&directory) {
            replay(&story);
            told += 1;
        }
    }
    assert!(told >= 195, "only {told} stories were found");
}

#[test]
fn every_directory_has_a_story() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    for provider in scim::provider::all().iter().filter(|p| p.id != "generic") {
        assert!(root.join(&provider.id).is_dir(), "{}", provider.id);
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path)
        .expect("a folder")
        .map(|entry| entry.expect("a readable folder").path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn replay(story: &Path) {
    let (mut server, mut captured) = (Server::default(), BTreeMap::new());
    for number in 1.. {
        let request = story.join(format!("{number:02}-request.json"));
        if !request.exists() {
            assert!(number > 1, "{} is empty", story.display());
            return;
        }
        let request = read(&request, &captured);
        let answer = read(&story.join(format!("{number:02}-answer.json")), &captured);
        let place = format!("{} {number:02}", story.display());
        let (method, path) = (
            request["method"].as_str().expect(&place),
            request["path"].as_str().expect(&place),
        );
        let (status, body) = server.answer(method, path, &request["body"]);
        assert_eq!(answer["status"], status, "{place}: {body:#}");
        let expected = answer.get("body");
        if let Some(Err(difference)) = expected.map(|expected| contains(&body, expected)) {
            panic!("{place}: {difference} in {body:#}");
        }
        for (name, pointer) in answer["capture"].as_object().into_iter().flatten() {
            let value = body
                .pointer(pointer.as_str().expect(&place))
                .and_then(Value::as_str);
            captured.insert(format!("{{{{{name}}}}}"), value.expect(&place).to_owned());
        }
    }
}

fn read(path: &Path, captured: &BTreeMap<String, String>) -> Value {
    let name = path.display().to_string();
    let mut text = std::fs::read_to_string(path).expect(&name);
    for (name, value) in captured {
        text = text.replace(name, value);
    }
    serde_json::from_str(&text).expect(&name)
}

/// Whether the expected part is there; else where it is not.
fn contains(actual: &Value, expected: &Value) -> Result<(), String> {
    match (actual, expected) {
        (actual, Value::Null) if actual.is_null() => Ok(()),
        (Value::Null, Value::Array(none)) if none.is_empty() => Ok(()),
        (actual, Value::String(any)) if any == "{{any}}" && !actual.is_null() => Ok(()),
        (Value::Object(actual), Value::Object(expected)) => {
            for (key, expected) in expected {
                contains(actual.get(key).unwrap_or(&Value::Null), expected)
                    .map_err(|difference| format!("{key}: {difference}"))?;
            }
            Ok(())
        }
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => {
            let missing = expected
                .iter()
                .find(|e| !actual.iter().any(|a| contains(a, e).is_ok()));
            missing.map_or(Ok(()), |missing| Err(format!("{missing} is missing")))
        }
        (actual, expected) if actual == expected => Ok(()),
        (actual, expected) => Err(format!("{actual} is not {expected}")),
    }
}
