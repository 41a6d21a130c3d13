//! Responses that are signed right and meant for another place, time, request or person.

use super::{Attack, edit};
use crate::message::{
    Body, IDP, Message, REQUEST, SP, audience, bearer, conditions, issuer, status,
};

pub(super) fn all() -> Vec<Attack> {
    [
        statuses(),
        places(),
        requests(),
        issuers(),
        statements(),
        audiences(),
        confirmations(),
        times(),
        subjects(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A signed response with another assertion body.
fn with(change: impl FnOnce(&mut Body)) -> String {
    let mut message = Message::valid();
    change(&mut message.assertion);
    message.signed()
}

fn statuses() -> Vec<Attack> {
    let failure = |inside: &str| {
        let message = Message {
            status: format!("<samlp:Status>{inside}</samlp:Status>"),
            sign_assertion: None,
            ..Message::valid()
        };
        message.around("")
    };
    vec![
        Attack::new(
            "idp_status",
            "denied",
            "The IdP refuses, with a second code and a message",
            failure(
                r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:RequestDenied"/></samlp:StatusCode><samlp:StatusMessage>Not assigned to this application</samlp:StatusMessage>"#,
            ),
        ),
        Attack::new(
            "idp_status",
            "with-assertion",
            "A failure that carries an assertion all the same",
            Message {
                status: status("urn:oasis:names:tc:SAML:2.0:status:Responder"),
                ..Message::valid()
            }
            .signed(),
        ),
        Attack::new(
            "idp_status",
            "no-code",
            "A Status without a code",
            failure(""),
        ),
        Attack::new(
            "idp_status",
            "almost-success",
            "A code that only begins like success",
            failure(
                r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success.example"/>"#,
            ),
        ),
    ]
}

fn places() -> Vec<Attack> {
    let to = |destination: Option<String>, mut message: Message| {
        message.destination = destination;
        message.signed()
    };
    let bad = |flaw, about, xml| Attack::new("destination_mismatch", flaw, about, xml);
    vec![
        bad(
            "other",
            "Sent to another connection's ACS",
            to(Some(format!("{SP}x/acs")), Message::valid()),
        ),
        bad(
            "trailing-slash",
            "A slash more",
            to(Some(format!("{SP}/acs/")), Message::valid()),
        ),
        bad(
            "upper-case-host",
            "The host in capitals: exact is exact",
            to(
                Some(format!("{SP}/acs").replace("sso.tenon", "SSO.TENON")),
                Message::valid(),
            ),
        ),
        bad(
            "empty",
            "An empty Destination",
            to(Some(String::new()), Message::valid()),
        ),
        bad(
            "missing-in-signed-response",
            "A signed response without Destination",
            to(None, Message::valid_response_signed()),
        ),
    ]
}

fn requests() -> Vec<Attack> {
    let mut other = Message::valid();
    other.in_response_to = Some("_another".to_owned());
    let mut none = Message::valid();
    none.in_response_to = None;
    let confirmed_other =
        with(|body| body.confirmation = edit(&body.confirmation, REQUEST, "_another"));
    let unbound = with(|body| {
        body.confirmation = edit(
            &body.confirmation,
            &format!(" InResponseTo=\"{REQUEST}\""),
            "",
        );
    });
    let mut unsolicited = Message::valid();
    unsolicited.in_response_to = None;
    unsolicited.assertion.confirmation = edit(
        &unsolicited.assertion.confirmation,
        &format!(" InResponseTo=\"{REQUEST}\""),
        "",
    );
    let mut stolen = Message::valid();
    stolen.in_response_to = None;
    let bad = |flaw, about, xml| Attack::new("in_response_to_mismatch", flaw, about, xml);
    let nothing_pending = |attack: Attack| Attack {
        pending: false,
        ..attack
    };
    vec![
        bad(
            "other-request",
            "The response answers another request",
            other.signed(),
        ),
        bad(
            "missing",
            "The response answers nothing, and a request is pending",
            none.signed(),
        ),
        bad(
            "other-confirmation",
            "Only the signed confirmation shows the other request",
            confirmed_other,
        ),
        bad(
            "unsigned-binding",
            "InResponseTo only where it is not signed",
            unbound,
        ),
        nothing_pending(bad(
            "nothing-pending",
            "An answer although nothing is pending",
            Message::valid().signed(),
        )),
        nothing_pending(
            bad(
                "made-unsolicited",
                "InResponseTo taken off the unsigned response (login CSRF)",
                stolen.signed(),
            )
            .with("idp_initiated = \"allow_unsolicited\""),
        ),
        nothing_pending(
            Attack::new(
                "idp_initiated_forbidden",
                "rejected",
                "Unsolicited, and the connection rejects that",
                unsolicited.signed(),
            )
            .with("idp_initiated = \"reject\""),
        ),
        nothing_pending(Attack::new(
            "idp_initiated_forbidden",
            "restart",
            "Unsolicited, and the connection starts anew",
            unsolicited.signed(),
        )),
    ]
}

fn issuers() -> Vec<Attack> {
    let outer = |text: &str| {
        let mut message = Message::valid();
        message.issuer = text.to_owned();
        message.signed()
    };
    let inner = |text: &str| with(|body| body.issuer = text.to_owned());
    let bad = |flaw, about, xml| Attack::new("issuer_mismatch", flaw, about, xml);
    vec![
        bad(
            "response",
            "The response comes from another IdP",
            outer(&issuer("https://evil.example/")),
        ),
        bad(
            "assertion",
            "The assertion comes from another IdP",
            inner(&issuer("https://evil.example/")),
        ),
        bad(
            "trailing-slash",
            "A slash more",
            inner(&issuer(&format!("{IDP}/"))),
        ),
        bad(
            "child-element",
            "An element inside Issuer",
            inner(&format!("<saml:Issuer>{IDP}<a/></saml:Issuer>")),
        ),
        bad(
            "no-assertion-issuer",
            "An assertion without Issuer",
            inner(""),
        ),
        bad(
            "no-break-space",
            "A no-break space is no white space",
            inner(&issuer(&format!("{IDP}\u{a0}"))),
        ),
    ]
}

fn statements() -> Vec<Attack> {
    let bad = |flaw, about, xml| Attack::new("assertion_missing", flaw, about, xml);
    let mut bare = Message::valid();
    bare.sign_assertion = None;
    vec![
        bad("none", "A success without an assertion", bare.around("")),
        bad(
            "no-authn-statement",
            "An attribute assertion: nobody signed in",
            with(|body| body.authn.clear()),
        ),
        bad(
            "no-conditions",
            "No Conditions",
            with(|body| body.conditions.clear()),
        ),
        bad(
            "two-conditions",
            "Conditions twice",
            with(|body| body.conditions = body.conditions.repeat(2)),
        ),
        bad(
            "other-namespace",
            "An Assertion of SAML 1.1",
            edit(
                &Message::valid().signed(),
                "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
                "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\"",
            ),
        ),
    ]
}

fn audiences() -> Vec<Attack> {
    let times = r#" NotBefore="2026-12-01T08:55:00Z" NotOnOrAfter="2026-12-01T09:05:00Z""#;
    let bad = |flaw, about, inside: &str| {
        let xml = with(|body| body.conditions = conditions(times, inside));
        Attack::new("audience_mismatch", flaw, about, xml)
    };
    let ours = format!("{SP}/metadata");
    vec![
        bad(
            "other",
            "Made for another service",
            &audience("https://other.example/metadata"),
        ),
        bad("none", "No AudienceRestriction", ""),
        bad(
            "empty",
            "An AudienceRestriction that names nobody",
            "<saml:AudienceRestriction/>",
        ),
        bad(
            "second-restriction",
            "Two restrictions, one of which we do not meet",
            &format!(
                "{}{}",
                audience(&ours),
                audience("https://other.example/metadata")
            ),
        ),
        bad(
            "prefix",
            "Our entity ID with something behind",
            &audience(&format!("{ours}.evil.example")),
        ),
        bad(
            "child-element",
            "An element inside Audience",
            &format!(
                "<saml:AudienceRestriction><saml:Audience>{ours}<a/></saml:Audience></saml:AudienceRestriction>"
            ),
        ),
        bad(
            "unknown-condition",
            "A condition that we do not know",
            &format!(
                "{}<saml:Condition xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x\"/>",
                audience(&ours)
            ),
        ),
        bad(
            "foreign-condition",
            "A condition in another namespace",
            &format!(
                "{}<c:Weekdays xmlns:c=\"https://c.example/\"/>",
                audience(&ours)
            ),
        ),
    ]
}

fn confirmations() -> Vec<Attack> {
    let all = format!(
        r#"NotOnOrAfter="2026-12-01T09:05:00Z" Recipient="{SP}/acs" InResponseTo="{REQUEST}""#
    );
    let confirmed = |text: String| with(|body| body.confirmation = text);
    let without = |part: &str| confirmed(bearer(&edit(&all, part, "")));
    let bad = |flaw, about, xml| Attack::new("subject_confirmation_invalid", flaw, about, xml);
    vec![
        Attack::new(
            "recipient_mismatch",
            "other",
            "For another service's ACS",
            confirmed(bearer(&edit(&all, SP, "https://other.example"))),
        ),
        Attack::new(
            "recipient_mismatch",
            "query",
            "A query more",
            confirmed(bearer(&edit(&all, "/acs\"", "/acs?x=1\""))),
        ),
        bad("none", "No SubjectConfirmation", confirmed(String::new())),
        bad(
            "holder-of-key",
            "Only holder-of-key",
            confirmed(edit(&bearer(&all), "cm:bearer", "cm:holder-of-key")),
        ),
        bad(
            "no-recipient",
            "No Recipient",
            without(&format!("Recipient=\"{SP}/acs\"")),
        ),
        bad(
            "no-end",
            "No NotOnOrAfter",
            without("NotOnOrAfter=\"2026-12-01T09:05:00Z\""),
        ),
        bad(
            "no-data",
            "A bearer confirmation without data",
            confirmed(
                r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/>"#
                    .to_owned(),
            ),
        ),
    ]
}

fn times() -> Vec<Attack> {
    let window = |from: &str, to: &str| {
        let times = format!(r#" NotBefore="{from}" NotOnOrAfter="{to}""#);
        with(|body| body.conditions = conditions(&times, &audience(&format!("{SP}/metadata"))))
    };
    let confirmation = |end: &str| {
        with(|body| body.confirmation = edit(&body.confirmation, "2026-12-01T09:05:00Z", end))
    };
    let authenticated = |instant: &str| {
        with(|body| {
            body.authn = edit(
                &body.authn,
                "AuthnInstant=\"2026-12-01T08:59:58Z\"",
                instant,
            )
        })
    };
    let issued = |at: &str| with(|body| body.issue_instant = at.to_owned());
    let expired = |flaw, about, xml| Attack::new("assertion_expired", flaw, about, xml);
    let early = |flaw, about, xml| Attack::new("assertion_not_yet_valid", flaw, about, xml);
    let mut old_response = Message::valid_response_signed();
    old_response.issue_instant = "2026-12-01T08:40:00Z".to_owned();
    vec![
        expired(
            "conditions",
            "Over for two minutes",
            window("2026-12-01T08:50:00Z", "2026-12-01T08:58:00Z"),
        ),
        expired(
            "conditions-at-the-second",
            "Over for the whole skew",
            window("2026-12-01T08:50:00Z", "2026-12-01T08:59:00Z"),
        ),
        expired(
            "confirmation",
            "The confirmation is over",
            confirmation("2026-12-01T08:58:00Z"),
        ),
        expired(
            "session",
            "The IdP's session is over",
            with(|body| {
                body.authn = edit(
                    &body.authn,
                    "SessionIndex",
                    "SessionNotOnOrAfter=\"2026-12-01T08:50:00Z\" SessionIndex",
                )
            }),
        ),
        expired(
            "second-statement",
            "The session of the second AuthnStatement is over; the first one names no end",
            with(|body| {
                let second = edit(
                    &body.authn,
                    "SessionIndex=\"_session1\"",
                    "SessionNotOnOrAfter=\"2026-12-01T08:50:00Z\" SessionIndex=\"_session2\"",
                );
                body.authn.push_str(&second);
            }),
        ),
        expired(
            "issued-long-ago",
            "Issued twenty minutes ago, though valid for an hour",
            issued("2026-12-01T08:40:00Z"),
        ),
        expired(
            "response-issued-long-ago",
            "A signed response that is twenty minutes old",
            old_response.signed(),
        ),
        expired(
            "lifetime",
            "Valid for two days",
            window("2026-12-01T08:55:00Z", "2026-12-03T08:55:00Z"),
        ),
        expired(
            "unreadable",
            "An end that is no time",
            window("2026-12-01T08:55:00Z", "never"),
        ),
        expired(
            "confirmation-unreadable",
            "A confirmation that ends on no day",
            confirmation("2026-02-30T00:00:00Z"),
        ),
        early(
            "conditions",
            "Valid from in two minutes on",
            window("2026-12-01T09:02:00Z", "2026-12-01T09:10:00Z"),
        ),
        early(
            "issued-in-future",
            "Issued in two minutes",
            issued("2026-12-01T09:02:00Z"),
        ),
        early("issue-unreadable", "Issued at no time", issued("yesterday")),
        early(
            "authentication",
            "Signed in in two minutes",
            authenticated("AuthnInstant=\"2026-12-01T09:02:00Z\""),
        ),
        early(
            "authentication-unreadable",
            "Signed in at no time",
            authenticated("AuthnInstant=\"just now\""),
        ),
        Attack {
            extra: "max_age = 600\n".to_owned(),
            ..expired(
                "authentication",
                "Signed in an hour ago, though the application asked for at most ten minutes (ForceAuthn disregarded)",
                authenticated("AuthnInstant=\"2026-12-01T08:00:00Z\""),
            )
        },
        Attack {
            extra: "max_age = 600\n".to_owned(),
            ..Attack::new(
                "assertion_missing",
                "authentication-of-unknown-age",
                "The application asked for a sign-in of the last ten minutes, and nothing says when it was",
                authenticated(""),
            )
        },
    ]
}

fn subjects() -> Vec<Attack> {
    let named = |name_id: &str| with(|body| body.name_id = name_id.to_owned());
    let missing = |flaw, about, xml| Attack::new("subject_missing", flaw, about, xml);
    let transient = r#"<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">_x</saml:NameID>"#;
    let mail = r#"<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">pat@acme.example</saml:NameID>"#;
    vec![
        missing("none", "No NameID and no mapped id", named("")),
        missing(
            "empty",
            "A NameID of white space",
            named("<saml:NameID> \n </saml:NameID>"),
        ),
        missing(
            "child-element",
            "An element inside NameID (CVE-2017-11427)",
            named("<saml:NameID>pat@acme.example<a/>.evil.example</saml:NameID>"),
        ),
        missing("two", "Two NameIDs", named(&mail.repeat(2))),
        missing("base-id", "A BaseID", named("<saml:BaseID/>")),
        Attack::new(
            "subject_transient",
            "no-mapped-id",
            "A transient NameID and no mapped id",
            named(transient),
        ),
        Attack::new(
            "attribute_missing",
            "groups",
            "A connection that requires the cost center, of which nothing came",
            Message::valid().signed(),
        )
        .with("attribute_mapping = { custom = { cost_center = [\"department\"] }, required = [\"groups\", \"cost_center\"] }"),
        Attack::new(
            "email_missing",
            "persistent",
            "A persistent NameID and no address anywhere",
            named(
                r#"<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">f00d</saml:NameID>"#,
            ),
        ),
        Attack::new(
            "email_missing",
            "unspecified",
            "An unspecified NameID that is no address",
            named("<saml:NameID>plee</saml:NameID>"),
        ),
    ]
}
