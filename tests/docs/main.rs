//! The pages of `docs/` say what the code says: nothing is missing on them, and nothing is made up.

mod source;

use std::collections::BTreeSet;

use gateway::model::EventType;
use source::{files, is_there, literals_after, page, section, text_of};

type Words = BTreeSet<String>;

/// What stands between backticks in the first column of the tables of a section.
fn listed(page: &str, heading: &str) -> Words {
    in_column(page, heading, 0)
}

/// What stands between backticks in a column, counted from 0, where a cell begins with one.
fn in_column(page: &str, heading: &str, column: usize) -> Words {
    let mut words = Words::new();
    for row in section(page, heading).lines() {
        let cells = row.strip_prefix("| ").unwrap_or_default();
        let cell = cells.split(" | ").nth(column).unwrap_or_default();
        if !cell.starts_with('`') {
            continue;
        }
        for word in cell.split('`').skip(1).step_by(2) {
            assert!(words.insert(word.to_owned()), "{word} stands twice");
        }
    }
    words
}

fn words<const N: usize>(words: [&str; N]) -> Words {
    words.map(str::to_owned).into()
}

#[test]
fn every_event_type_is_on_the_page() {
    let types: Words = EventType::ALL
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect();
    assert_eq!(listed(&page("events.md"), "## Types"), types);
}

#[test]
fn every_code_of_a_failed_sign_in_is_on_the_page() {
    let errors = page("errors.md");
    let source = text_of("connectors/src/error.rs");
    // A test of `connectors` compares this list with the variants.
    let list = source.split("pub const CODES").nth(1).expect("the list");
    let list = list.split("];").next().expect("its end");
    let codes: Words = list
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    let mut said = Words::new();
    for table in ["### SAML", "### OIDC", "### Both"] {
        said.extend(listed(&errors, table));
    }
    assert_eq!(said, codes);

    let mut warnings = Words::new();
    for file in files("connectors/src") {
        let text = text_of(&file);
        // The check, then the code, which is a literal.
        for call in text.split("trace.note(").skip(1) {
            let code = call.split(',').nth(1).unwrap_or_default().trim();
            let code = code.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            warnings.extend(code.map(str::to_owned));
        }
    }
    assert!(!warnings.is_empty(), "nothing warns anymore");
    let mut told = listed(&errors, "### Warnings");
    told.extend(codes);
    assert!(warnings.is_subset(&told), "{warnings:?}");
}

#[test]
fn every_code_of_the_management_api_and_of_scim_is_on_the_page() {
    let errors = page("errors.md");
    let mut codes = Words::new();
    for file in files("gateway/src") {
        let text = text_of(&file);
        codes.extend(literals_after(&text, "conflict("));
        if file.contains("http/management") {
            codes.extend(literals_after(&text, "http(status,"));
            codes.extend(literals_after(&text, "PAYLOAD_TOO_LARGE,"));
        }
    }
    codes.extend(literals_after(
        &text_of("gateway/src/flows/event_feed.rs"),
        "code:",
    ));
    for file in ["gateway/src/error.rs", "scim/src/error.rs"] {
        let text = text_of(file);
        let of_code = text.split("pub fn code(").nth(1).expect("fn code");
        let of_code = of_code.split("\n    }\n").next().expect("its end");
        codes.extend(literals_after(of_code, "=>"));
    }
    let refused = text_of("gateway/src/http/management/problem.rs");
    codes.extend(literals_after(&refused, "Self::http(error.status(),"));
    let domains = text_of("gateway/src/http/management/domains.rs");
    codes.extend(literals_after(&domains, "BAD_GATEWAY,"));
    codes.retain(|word| is_code(word));

    let management = listed(&errors, "## Management API");
    // The same table without the last column: for who reads what holds for every operation.
    assert_eq!(in_column(&page("api.md"), "## Errors", 1), management);
    let mut said = management;
    said.extend(listed(&errors, "## SCIM"));
    assert_eq!(said, codes);
}

/// The vocabulary of RFC 6749, 6750, 7009, 8628, 9101, 9126 and OpenID Connect Core 3.1.2.6: what of it we say is on
/// the page.
#[test]
fn every_oauth_error_that_we_say_is_on_the_page() {
    const VOCABULARY: [&str; 27] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "access_denied",
        "unsupported_response_type",
        "server_error",
        "temporarily_unavailable",
        "invalid_token",
        "insufficient_scope",
        "unsupported_token_type",
        "interaction_required",
        "login_required",
        "account_selection_required",
        "consent_required",
        "invalid_request_uri",
        "invalid_request_object",
        "request_not_supported",
        "request_uri_not_supported",
        "registration_not_supported",
        "authorization_pending",
        "slow_down",
        "expired_token",
        "invalid_dpop_proof",
        "invalid_target",
    ];
    let mut said = Words::new();
    for folder in ["gateway/src/http", "gateway/src/flows"] {
        for file in files(folder) {
            let oauth = ["oauth", "authorize", "tokens", "error_page"];
            if !oauth.iter().any(|part| file.contains(part)) {
                continue;
            }
            let text = text_of(&file);
            let text = text.split("#[cfg(test)]").next().expect("a beginning");
            for word in VOCABULARY {
                if text.contains(&format!("\"{word}\"")) {
                    said.insert(word.to_owned());
                }
            }
        }
    }
    let errors = page("errors.md");
    assert_eq!(listed(&errors, "## OAuth and OpenID Connect"), said);
}

#[test]
fn every_code_of_a_page_is_on_the_page() {
    let mut codes = Words::new();
    for file in files("gateway/src/http") {
        if !file.contains("management") && !file.contains("tests") {
            codes.extend(literals_after(&text_of(&file), "code:"));
        }
    }
    codes.extend(literals_after(
        &text_of("gateway/src/flows/authorize.rs"),
        "code:",
    ));
    let pages = text_of("gateway/src/http/pages.rs");
    let by_status = pages.split("fn error_of_status").nth(1).expect("it");
    codes.extend(literals_after(by_status, "=> ("));
    let errors = page("errors.md");
    assert_eq!(
        listed(&errors, "## Pages that are no sign-in result"),
        codes
    );
}

#[test]
fn every_provider_has_its_entry_and_every_fixture_exists() {
    let quirks = page("quirks.md");
    for (heading, folder) in [
        ("## Identity providers", "connectors/providers"),
        ("## Directories", "scim/providers"),
    ] {
        let entries: Words = section(&quirks, heading)
            .lines()
            .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
            .map(str::to_owned)
            .collect();
        let providers: Words = std::fs::read_dir(source::path(folder))
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
            .collect();
        assert_eq!(entries, providers, "{folder}");
    }
    for word in quirks.split('`').skip(1).step_by(2) {
        assert!(!word.starts_with("fixtures/") || is_there(word), "{word}");
    }
}

#[test]
fn every_test_that_a_threat_names_exists() {
    let mut functions = Words::new();
    for folder in ["connectors", "gateway", "scim", "tests"] {
        for file in files(folder) {
            for line in text_of(&file).lines() {
                let line = line.trim_start();
                let line = line.strip_prefix("async ").unwrap_or(line);
                if let Some(name) = line.strip_prefix("fn ").and_then(|it| it.split('(').next()) {
                    functions.insert(name.to_owned());
                }
            }
        }
    }
    let threats = page("threats.md");
    let mut rows = 0;
    for row in threats.lines().filter(|line| line.starts_with("| G")) {
        rows += 1;
        let proofs = row.rsplit(" | ").next().expect("a column");
        let named: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "nothing proves {row}");
        for name in named {
            let exists = if name.contains('/') {
                is_there(name)
            } else {
                functions.contains(name)
            };
            assert!(exists, "{name} does not exist");
        }
    }
    assert!(rows > 30, "{rows}");
}

#[test]
fn every_link_leads_somewhere() {
    for file in source::pages() {
        let text = text_of(&file);
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|it| it.split(')').next())
        {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let target = target.split('#').next().expect("a path");
            assert!(is_there(&format!("{folder}/{target}")), "{file}: {target}");
        }
    }
}

fn is_code(word: &str) -> bool {
    *word != *""
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn a_table_is_read_by_its_first_column() {
    let page = "## A\n| `x`, `y` | `z` |\n### B\n| `v` | |\n## C\n| `w` | |\n";
    assert_eq!(listed(page, "## A"), words(["v", "x", "y"]));
    assert_eq!(listed(page, "### B"), words(["v"]));
    assert_eq!(in_column(page, "## A", 1), words(["z"]));
}
