//! What the provisioning log keeps of a body: its start, as JSON text, without what somebody could sign in with.
//! It is cut while it is written, so a body of any size costs no more than what is kept.

use serde_json::{Map, Value};

/// The most that is kept of one body, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// The longest word or name in a summary, in characters.
const WORDS: usize = 120;

const REDACTED: &str = "[redacted]";

/// Whoever is named so is not shown. Directories push passwords; their own attributes may hold anything.
const SECRET: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "credential",
    "apikey",
    "api_key",
    "private",
];

/// The start of a body. `…` is at its end where it was longer.
pub(super) fn body(value: &Value) -> String {
    let mut writer = Writer {
        text: String::new(),
        full: false,
    };
    writer.value(value);
    writer.text
}

/// Whether a name or path speaks of a secret, whatever its case.
pub(super) fn names_secret(text: &str) -> bool {
    let text = text.as_bytes();
    SECRET.iter().any(|word| {
        text.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// A caller's words in one line: short, and with what can't be seen made visible.
pub(super) fn words(text: &str) -> String {
    if quotes_secret(text) {
        return REDACTED.to_owned();
    }
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == WORDS {
            shown.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// A filter, a path or a message that has a secret's value in it: `password eq "x"`.
fn quotes_secret(text: &str) -> bool {
    text.contains('"') && names_secret(text)
}

struct Writer {
    text: String,
    full: bool,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(values) => {
                self.push("[");
                for (index, value) in values.iter().enumerate() {
                    if self.full {
                        return;
                    }
                    self.push(if index > 0 { "," } else { "" });
                    self.value(value);
                }
                self.push("]");
            }
            Value::Object(parts) => self.object(parts),
            Value::String(text) => self.string(text),
            scalar => self.push(&scalar.to_string()),
        }
    }

    fn object(&mut self, parts: &Map<String, Value>) {
        // `{"op": "replace", "path": "password", "value": "x"}`.
        let is = |key: &str, name: &str| key.eq_ignore_ascii_case(name);
        let path = parts.iter().find(|(key, _)| is(key, "path"));
        let of_secret = path
            .and_then(|(_, path)| path.as_str())
            .is_some_and(names_secret);
        self.push("{");
        for (index, (key, value)) in parts.iter().enumerate() {
            if self.full {
                return;
            }
            self.push(if index > 0 { "," } else { "" });
            self.string(key);
            self.push(":");
            let hidden = names_secret(key) || of_secret && (is(key, "value") || is(key, "data"));
            match value {
                Value::Null | Value::Bool(_) => self.value(value),
                _ if hidden => self.string(REDACTED),
                _ => self.value(value),
            }
        }
        self.push("}");
    }

    fn string(&mut self, text: &str) {
        let text = match quotes_secret(text) {
            true => REDACTED,
            false => text,
        };
        // No more is escaped than can be kept.
        let end = text.floor_char_boundary(LONGEST);
        self.push(&Value::from(&text[..end]).to_string());
    }

    fn push(&mut self, text: &str) {
        if self.full {
            return;
        }
        let room = LONGEST - self.text.len();
        if text.len() <= room {
            self.text.push_str(text);
            return;
        }
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        self.text.push('…');
        self.full = true;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_secret_is_shown_as_it_came() {
        let value = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "ada \"the first\"\n", "active": true, "n": 1.5, "none": null, "empty": [],
        });
        assert_eq!(body(&value), value.to_string());
    }

    #[test]
    fn no_form_of_a_password_is_shown() {
        for value in [
            json!({"userName": "ada", "password": "hunter2"}),
            json!({"PassWord": {"value": "hunter2"}}),
            json!({"Operations": [{"op": "replace", "path": "password", "value": "hunter2"}]}),
            json!({"Operations": [{"op": "add", "PATH": "urn:x:User:Password", "Value": ["hunter2"]}]}),
            json!({"Operations": [{"op": "add", "value": {"password": "hunter2"}}]}),
            json!({"Operations": [{"op": "add", "path": "password[value eq \"hunter2\"]", "value": 1}]}),
            json!({"Operations": [{"op": "add", "value": {"password[value eq \"hunter2\"]": 1}}]}),
            json!({"Operations": [{"method": "POST", "path": "/Users", "data": {"password": "hunter2"}}]}),
            json!({"urn:acme:User": {"initialPassword": "hunter2", "apiToken": "hunter2"}}),
            json!({"urn:acme:User": {"raw": "{\"password\": \"hunter2\"}"}}),
            json!({"detail": "password eq \"hunter2\" is no filter"}),
        ] {
            let shown = body(&value);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains(REDACTED), "{shown}");
        }
        assert_eq!(words("password eq \"hunter2\""), REDACTED);
    }

    #[test]
    fn a_body_of_any_size_is_cut() {
        let long = "ä".repeat(LONGEST);
        for value in [
            json!(long),
            json!({"members": vec![json!({"value": "dusr_1"}); 20_000]}),
            json!({(long.as_str()): 1}),
        ] {
            let shown = body(&value);
            assert!(shown.len() <= LONGEST + '…'.len_utf8(), "{}", shown.len());
            assert!(shown.ends_with('…'));
        }
    }

    #[test]
    fn words_are_short_and_in_one_line() {
        assert_eq!(
            words("userName eq \"x\"\n\u{202e}"),
            "userName eq \"x\"\\n\\u{202e}"
        );
        assert_eq!(words(&"x".repeat(500)).chars().count(), WORDS + 1);
    }
}
