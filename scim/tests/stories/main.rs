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
    assert!(told >= 197, "only {told} stories were found");
}

#[test]
fn every_directory_has_a_story() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    for provider in scim::provider::all().iter().filter(|p| p.id != "generic") {
        assert!(root.join(&provider.id).is_dir(), "{}", provider.id);
    }
}

/// What every directory does to people and to groups (SCIM.md section 2).
const PEOPLE: [&str; 5] = [
    "first-sync",
    "user-update",
    "user-deactivated",
    "user-reactivated",
    "user-deleted",
];
const GROUPS: [&str; 7] = [
    "group-pushed",
    "group-renamed",
    "group-deleted",
    "member-added",
    "members-added-at-once",
    "member-removed",
    "members-overwritten",
];

#[test]
fn every_directory_tells_the_whole_life_of_people_and_groups() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    let known = scim::provider::all();
    let ids = known.iter().map(|provider| provider.id.as_str());
    let directories = ids.filter(|id| *id != "generic").map(|id| (id, ""));
    // Entra ID once more, with its flag.
    for (directory, prefix) in directories.chain([("entra", "compliant-")]) {
        let groups = if directory == "google" {
            0
        } else {
            GROUPS.len()
        };
        for story in PEOPLE.iter().chain(&GROUPS[..groups]) {
            // Okta never deletes anybody.
            if (directory, *story) != ("okta", "user-deleted") {
                let folder = root.join(directory).join(format!("{prefix}{story}"));
                assert!(folder.is_dir(), "{} is not told", folder.display());
            }
        }
    }
}

/// The documented ways to change members: directory, operation, path, and the value's shape. `*` is a value between
/// brackets, `-` nothing.
const FORMS: [(&str, &str, &str, &str); 34] = [
    ("okta", "add", "members", "[display,value]"),
    ("okta", "remove", "members[*]", "-"),
    ("okta", "replace", "members", "[display,value]"),
    ("okta", "replace", "members", "[]"),
    ("okta", "replace", "-", "{members}"),
    ("okta", "replace", "-", "{displayName,id,members}"),
    ("entra", "Add", "members", "[$ref,value]"),
    ("entra", "Remove", "members", "[$ref,value]"),
    ("entra", "Remove", "members", "[value]"),
    ("entra", "add", "members", "[value]"),
    ("entra", "remove", "members[*]", "-"),
    ("onelogin", "add", "members", "[value]"),
    ("onelogin", "replace", "members", "[value]"),
    ("onelogin", "remove", "members[*]", "-"),
    ("jumpcloud", "add", "members", "[value]"),
    ("jumpcloud", "remove", "members", "[value]"),
    ("pingone", "add", "members", "[display,value]"),
    ("pingone", "remove", "members[*]", "-"),
    ("pingone", "replace", "members", "[value]"),
    ("pingone", "replace", "members", "[]"),
    ("pingfederate", "add", "members", "[value]"),
    ("pingfederate", "remove", "members[*]", "-"),
    ("pingfederate", "replace", "members", "[value]"),
    ("pingfederate", "replace", "members", "[]"),
    ("rippling", "add", "members", "[value]"),
    ("rippling", "add", "G:members", "[value]"),
    ("rippling", "add", "G:members", "{value}"),
    ("rippling", "remove", "members[*]", "-"),
    ("rippling", "remove", "G:members[*]", "-"),
    ("cyberark", "add", "members", "[value]"),
    ("cyberark", "remove", "members[*]", "-"),
    ("cyberark", "replace", "members", "[value]"),
    ("sailpoint", "add", "members", "[value]"),
    ("sailpoint", "remove", "members", "[value]"),
];

#[test]
fn every_documented_form_of_a_membership_change_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scim");
    for (directory, op, path, shape) in FORMS {
        let stories = folders(&root.join(directory));
        let told = stories.iter().any(|story| {
            let files = std::fs::read_dir(story).expect("a folder");
            let mut requests = files
                .map(|file| file.expect("a readable file").path())
                .filter(|file| file.to_string_lossy().ends_with("-request.json"));
            requests.any(|file| {
                let request = read(&file, &BTreeMap::new());
                let on_group = request["path"]
                    .as_str()
                    .is_some_and(|path| path.starts_with("/Groups/"));
                let operations = request["body"]["Operations"].as_array();
                on_group
                    && operations.into_iter().flatten().any(|operation| {
                        operation["op"] == op
                            && path_form(&operation["path"]) == path
                            && value_form(&operation["value"]) == shape
                    })
            })
        });
        assert!(told, "{directory}: {op} {path} {shape}");
    }
}

fn path_form(path: &Value) -> String {
    let Some(path) = path.as_str() else {
        return "-".to_owned();
    };
    let path = path.replace("urn:ietf:params:scim:schemas:core:2.0:Group:", "G:");
    match path.split_once('[') {
        Some((before, _)) => format!("{before}[*]"),
        None => path,
    }
}

fn value_form(value: &Value) -> String {
    let keys = |value: &Value| {
        let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
        let mut keys: Vec<&str> = keys.map(String::as_str).collect();
        keys.sort_unstable();
        keys.join(",")
    };
    match value {
        Value::Array(elements) => format!("[{}]", elements.first().map_or(String::new(), keys)),
        Value::Object(_) => format!("{{{}}}", keys(value)),
        Value::Null => "-".to_owned(),
        text => text.to_string(),
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
