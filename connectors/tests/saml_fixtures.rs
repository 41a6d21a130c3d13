//! Walks `fixtures/saml`: each folder is a response, the IdP's metadata, and what must come of it. Adding
//! a folder adds a test. The example `saml_fixtures` writes the folders.

#[path = "support/saml.rs"]
mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectors::{CheckName, CheckStatus, Completion, NormalizedIdentity};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::Fixture;

#[test]
fn every_real_response_is_accepted_and_read_right() {
    report(
        Fixture::all("accept")
            .iter()
            .filter_map(|fixture| accept(fixture).err()),
    );
}

#[test]
fn every_hostile_response_is_refused_with_its_code() {
    report(
        Fixture::all("reject")
            .iter()
            .filter_map(|fixture| reject(fixture).err()),
    );
}

/// STACK.md section 1. A child of this test reads the whole corpus under a filter that kills it at any of these calls;
/// another one, which opens a file, is there to show that the filter kills.
#[cfg(target_os = "linux")]
#[test]
fn the_verifier_opens_no_socket_and_no_file() {
    use std::os::unix::process::ExitStatusExt as _;
    const TASK: &str = "TENON_TEST_CONFINED";
    const THIS: &str = "the_verifier_opens_no_socket_and_no_file";
    if let Ok(task) = std::env::var(TASK) {
        return confined(&task);
    }
    let run = |task: &str| {
        let mut command = std::process::Command::new(std::env::current_exe().expect("this test"));
        let output = command.args(["--exact", THIS]).env(TASK, task).output();
        output.expect("it runs")
    };
    let verified = run("verify");
    assert!(verified.status.success(), "{verified:?}");
    assert_eq!(run("open").status.signal(), Some(libc::SIGSYS));
}

#[cfg(target_os = "linux")]
fn confined(task: &str) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let fixtures = Fixture::all("accept")
        .into_iter()
        .chain(Fixture::all("reject"));
    let fixtures: Vec<Fixture> = fixtures.collect();
    let read = || -> Vec<Option<NormalizedIdentity>> {
        let outcomes = fixtures
            .iter()
            .map(|fixture| fixture.complete(fixture.field()));
        outcomes.map(|completion| completion.outcome.ok()).collect()
    };
    // What is made ready once, as keys and provider files are, is ready.
    let before = read();
    // glibc looks into /proc once, when it first gives memory of a thread back.
    drop(vec![vec![0_u8; 60_000]; 1_000]);
    let forbidden = [
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_sendto,
        libc::SYS_openat,
        libc::SYS_openat2,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        libc::SYS_execve,
    ];
    let filter = SeccompFilter::new(
        forbidden
            .into_iter()
            .map(|call| (call, Vec::new()))
            .collect(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        std::env::consts::ARCH.try_into().expect("a known machine"),
    );
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
    seccompiler::apply_filter(&program).expect("the filter holds");
    if task == "open" {
        drop(std::fs::File::open("/dev/null"));
    }
    assert_eq!(read(), before);
}

fn report(failures: impl Iterator<Item = String>) {
    let failures: Vec<String> = failures.collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn accept(fixture: &Fixture) -> Result<(), String> {
    let fail = |what: String| Err(format!("{} ({}): {what}", fixture.name, fixture.case.about));
    let completion = fixture.complete(fixture.field());
    let identity = match &completion.outcome {
        Ok(identity) => serde_json::to_value(identity).expect("JSON"),
        Err(error) => return fail(format!("{}: {error}", error.code())),
    };
    for (field, expected) in fixture.case.identity.as_ref().expect("an identity") {
        let expected = serde_json::to_value(expected).expect("JSON");
        if identity[field] != expected {
            return fail(format!("{field} is {}, not {expected}", identity[field]));
        }
    }
    let warned = codes(&completion, CheckStatus::Warning);
    if warned != fixture.case.warnings {
        return fail(format!(
            "warnings {warned:?}, not {:?}",
            fixture.case.warnings
        ));
    }
    // Browser, email domain and user are the gateway's to check.
    let open = [
        CheckName::Connection,
        CheckName::Email,
        CheckName::Browser,
        CheckName::User,
    ];
    for check in completion
        .trace
        .checks
        .iter()
        .filter(|check| !open.contains(&check.check))
    {
        if !matches!(check.status, CheckStatus::Passed | CheckStatus::Warning) {
            return fail(format!("{:?} is {:?}", check.check, check.status));
        }
    }
    if completion.replay_ids.len() != 2 {
        return fail(format!("replay ids {:?}", completion.replay_ids));
    }
    // What is forgotten is refused for its age.
    for (id, until) in &completion.replay_ids {
        match fixture.complete_at(fixture.field(), *until).outcome {
            Ok(_) => return fail(format!("{id} may be used again at {until}")),
            Err(error) if error.code() == "assertion_expired" => {}
            Err(error) => return fail(format!("at {until} {}: {error}", error.code())),
        }
    }
    Ok(())
}

fn reject(fixture: &Fixture) -> Result<(), String> {
    let fail = |what: String| Err(format!("{} ({}): {what}", fixture.name, fixture.case.about));
    let expected = fixture.case.code.as_deref().expect("a code");
    if !fixture.name.starts_with(expected) {
        return fail(format!("the folder is not named after {expected}"));
    }
    let completion = fixture.complete(fixture.field());
    let error = match &completion.outcome {
        Ok(identity) => return fail(format!("accepted as {}", identity.subject)),
        Err(error) => error,
    };
    if error.code() != expected {
        return fail(format!("{}: {error}", error.code()));
    }
    if !completion.replay_ids.is_empty() {
        return fail("a refused response leaves ids".to_owned());
    }
    let failed = codes(&completion, CheckStatus::Failed);
    if failed == [expected] {
        Ok(())
    } else {
        fail(format!("the trace fails on {failed:?}"))
    }
}

fn codes(completion: &Completion, status: CheckStatus) -> Vec<String> {
    let checks = completion
        .trace
        .checks
        .iter()
        .filter(|check| check.status == status);
    checks.filter_map(|check| check.code.clone()).collect()
}

/// An IdP that disregards ForceAuthn answers with a sign-in of long ago.
#[test]
fn a_sign_in_is_no_older_than_was_asked_for() {
    let mut fixture = Fixture::open("accept", "generic-response-signed");
    // Its AuthnInstant is 08:59:58, two clocks may differ by a minute.
    fixture.case.now = "2026-12-01T09:04:00Z".parse().expect("a time");
    for (max_age, code) in [
        (None, None),
        (Some(u64::MAX), None),
        (Some(183), None),
        (Some(182), Some("assertion_expired")),
        (Some(0), Some("assertion_expired")),
    ] {
        fixture.case.max_age = max_age;
        let outcome = fixture.complete(fixture.field()).outcome;
        let refused = outcome.as_ref().err().map(|error| error.code());
        assert_eq!(refused, code, "{max_age:?}");
    }
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Edit {
    Insert(Index, &'static str),
    Delete(Index, usize),
    /// Copies a stretch of the text to another place.
    Copy(Index, usize, Index),
    Swap(Index, char),
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = select(vec![
        "<!-- -->",
        "<![CDATA[",
        "]]>",
        "&#x41;",
        "&amp;",
        "<a/>",
        "</saml:Assertion>",
        "<saml:Assertion>",
        " ID=\"_assertion1\"",
        " xmlns:saml=\"https://evil.example/\"",
        " xmlns=\"\"",
        "eve@",
        "\u{a0}",
        "</saml:NameID>",
        "<saml:NameID>eve@acme.example</saml:NameID>",
        "<ds:Object>",
        "\r\n",
        "\t",
        "'",
        ">",
    ]);
    prop_oneof![
        (any::<Index>(), pieces).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..200_usize).prop_map(|(at, len)| Edit::Delete(at, len)),
        (any::<Index>(), 1..2000_usize, any::<Index>())
            .prop_map(|(from, len, to)| Edit::Copy(from, len, to)),
        (any::<Index>(), any::<char>()).prop_map(|(at, c)| Edit::Swap(at, c)),
    ]
}

impl Edit {
    fn apply(&self, text: &str) -> String {
        let place = |index: &Index| floor(text, index.index(text.len()));
        match self {
            Self::Insert(at, piece) => {
                let (head, tail) = text.split_at(place(at));
                format!("{head}{piece}{tail}")
            }
            Self::Delete(at, len) => {
                let (from, to) = (place(at), floor(text, place(at) + len));
                format!("{}{}", &text[..from], &text[to..])
            }
            Self::Copy(from, len, to) => {
                let piece = &text[place(from)..floor(text, place(from) + len)];
                let (head, tail) = text.split_at(place(to));
                format!("{head}{piece}{tail}")
            }
            Self::Swap(at, c) => {
                let (head, tail) = text.split_at(place(at));
                format!("{head}{c}{}", tail.chars().skip(1).collect::<String>())
            }
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn no_edit_of_a_signed_response_yields_another_identity(
        which in any::<Index>(),
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        thread_local! {
            static SIGNED: Vec<(Fixture, NormalizedIdentity)> = signed();
        }
        SIGNED.with(|signed| {
            let (fixture, identity) = which.get(signed);
            let xml = String::from_utf8(fixture.xml.clone().expect("a response")).expect("UTF-8");
            let edited = edits.iter().fold(xml, |xml, edit| edit.apply(&xml));
            if let Ok(other) = fixture.complete(Some(STANDARD.encode(edited))).outcome {
                prop_assert_eq!(&other, identity);
            }
            Ok(())
        })?;
    }
}

/// Assertion signed, response signed, both, encrypted, in several vendors' styles.
fn signed() -> Vec<(Fixture, NormalizedIdentity)> {
    [
        "generic-clock-ahead",
        "generic-response-signed",
        "entra-response-and-assertion",
        "okta-response-and-assertion",
        "keycloak-document-and-assertion",
        "shibboleth-encrypted-gcm",
        "generic-inclusive-signed-info",
    ]
    .map(|name| Fixture::open("accept", name))
    .map(|fixture| {
        let identity = fixture
            .complete(fixture.field())
            .outcome
            .expect(&fixture.name);
        (fixture, identity)
    })
    .into()
}
