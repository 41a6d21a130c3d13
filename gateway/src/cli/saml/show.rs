//! The checks of one response, for a person and for a program.

use std::fmt::Write as _;

use connectors::{Check, CheckStatus, Completion, NormalizedIdentity};
use serde_json::json;

/// `{"outcome": "accepted"｜"refused", "code", "checks": [...], "identity"}`; the checks as in the API.
pub(super) fn json(completion: &Completion) -> Result<String, serde_json::Error> {
    let (identity, code) = match &completion.outcome {
        Ok(identity) => (Some(identity), None),
        Err(error) => (None, Some(error.code())),
    };
    serde_json::to_string_pretty(&json!({
        "outcome": if identity.is_some() { "accepted" } else { "refused" },
        "code": code,
        "checks": completion.trace.checks,
        "identity": identity,
    }))
}

/// One line a check, more where it failed or warns, and who would be signed in; what is known of the provider beside a
/// refusal.
pub(super) fn text(completion: &Completion, provider: Option<&str>) -> String {
    let mut text = String::new();
    for check in &completion.trace.checks {
        line(&mut text, check);
    }
    let end = match &completion.outcome {
        Ok(identity) => accepted(identity),
        Err(error) => format!("\nrefused: {}, {error}\n", error.code()),
    };
    text.push_str(&printable(&end));
    let provider = connectors::provider::find(provider);
    if completion.outcome.is_err() && !provider.notes.is_empty() {
        let _ = writeln!(text, "\n{}:", provider.name);
        for note in &provider.notes {
            let _ = writeln!(text, "    {note}");
        }
    }
    text
}

fn line(text: &mut String, check: &Check) {
    let (mark, told) = match check.status {
        CheckStatus::Passed => ('✓', false),
        CheckStatus::Failed => ('✕', true),
        CheckStatus::Warning => ('!', true),
        CheckStatus::NotReached => ('·', false),
    };
    let _ = writeln!(text, "{mark} {}", check.title);
    let mut detail = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = writeln!(text, "    {name:<9} {}", printable(value));
        }
    };
    if told {
        detail("code", check.code.as_deref());
        detail("expected", check.expected.as_deref());
    }
    detail("received", check.received.as_deref());
    if told {
        detail("why", Some(&check.why));
        detail("fix", Some(&check.fix));
    }
}

fn accepted(identity: &NormalizedIdentity) -> String {
    let mut text = String::from("\naccepted:\n");
    let mut detail = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "    {name:<9} {value}");
        }
    };
    detail("subject", Some(&identity.subject));
    detail("email", identity.email.as_deref());
    detail("name", identity.name.as_deref());
    for group in &identity.groups {
        detail("group", Some(group));
    }
    for (name, value) in &identity.raw_attributes {
        let _ = writeln!(text, "    attribute {name} = {value}");
    }
    text
}

/// A stranger's text moves no cursor and colours no terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}
