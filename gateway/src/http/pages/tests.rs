use super::*;

/// CONTRACT section 8, all four tables.
const CODES: &[&str] = &[
    "response_malformed",
    "response_too_large",
    "dtd_forbidden",
    "response_missing",
    "idp_status",
    "destination_mismatch",
    "in_response_to_mismatch",
    "idp_initiated_forbidden",
    "login_expired",
    "issuer_mismatch",
    "signature_missing",
    "signature_invalid",
    "signature_algorithm_forbidden",
    "certificate_unknown",
    "certificate_expired",
    "decryption_failed",
    "encryption_required",
    "encryption_algorithm_forbidden",
    "assertion_missing",
    "assertion_ambiguous",
    "assertion_replayed",
    "audience_mismatch",
    "recipient_mismatch",
    "subject_confirmation_invalid",
    "assertion_expired",
    "assertion_not_yet_valid",
    "state_mismatch",
    "idp_error",
    "idp_unreachable",
    "token_exchange_failed",
    "token_invalid",
    "nonce_mismatch",
    "tenant_mismatch",
    "discovery_invalid",
    "connection_inactive",
    "browser_mismatch",
    "subject_missing",
    "subject_transient",
    "attribute_missing",
    "email_missing",
    "email_domain_not_allowed",
    "user_deactivated",
    "user_not_provisioned",
    "user_mismatch",
];

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

#[test]
fn every_code_of_the_contract_has_a_sentence_of_its_own() {
    let situation = Situation {
        app: "Desk",
        org: "Acme",
        email: Some("pat@acme.example"),
    };
    for code in CODES {
        let (text, mender) = sentence(code, &situation);
        assert_ne!(mender, Mender::App, "{code}: {text}");
        assert!(text.ends_with('.'), "{code}: {text}");
    }
    assert_eq!(sentence("internal_error", &situation).1, Mender::App);
}

#[test]
fn what_strangers_send_is_escaped_and_cut() {
    let said = format!("<script>alert(1)</script>{}", "x".repeat(400));
    let page = sign_in_error(
        &SignInErrorPage {
            code: "idp_status",
            app: Some("<b>Desk</b>"),
            org: Some("\"><img src=x>"),
            email: Some("<i>@acme.example"),
            login_id: Some("lgn_x"),
            idp_said: Some(&said),
            at: at(),
            ..Default::default()
        },
        StatusCode::FORBIDDEN,
    );
    for hostile in ["<script>alert", "<b>Desk", "<img", "<i>@"] {
        assert!(!page.body.contains(hostile), "{hostile} in {}", page.body);
    }
    assert!(page.body.contains('…'));
}

#[test]
fn a_failed_sign_in_shows_code_reference_and_fix_and_says_the_code_in_its_header() {
    let page = sign_in_error(
        &SignInErrorPage {
            code: "audience_mismatch",
            app: Some("Desk"),
            org: Some("Acme"),
            login_id: Some("lgn_01k"),
            fix: "Paste the entity ID again.",
            try_again_url: Some("/again"),
            app_url: Some("https://desk.example/"),
            at: at(),
            ..Default::default()
        },
        StatusCode::BAD_REQUEST,
    );
    for shown in [
        "Single sign-on for Acme isn&#39;t set up correctly yet. Send this code to your IT team.",
        "<code>audience_mismatch</code>",
        "<code>lgn_01k</code>",
        "Paste the entity ID again.",
        "Time: 2026-11-18T",
        "Try again",
        "Back to Desk",
    ] {
        assert!(page.body.contains(shown), "{shown} not in {}", page.body);
    }
    let response = page.into_response();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.header("tenon-error"), Some("audience_mismatch"));
}

#[test]
fn no_page_has_anything_inline_or_from_elsewhere() {
    let fields = [("SAMLRequest".to_owned(), "PHg+".to_owned())];
    let choices = [Choice {
        connection_id: "conn_1".into(),
        name: "Acme employees".into(),
        used_before: true,
    }];
    let remembered_choices = [RememberedChoice {
        connection_id: "conn_1".into(),
        org: "Acme".into(),
        connection: "Acme employees".into(),
        email: "pat@acme.example".into(),
    }];
    let pages = [
        sign_in(&sign_in_page(SignInMessage::Ask)),
        sign_in(&sign_in_page(SignInMessage::NotAnAddress)),
        choose(&ChoosePage {
            app: "Desk",
            org: "Acme",
            flow: "f",
            csrf: "c",
            choices: &choices,
            remember: true,
            other: "Use a different email",
            loopback_http: false,
        }),
        remembered(&RememberedPage {
            app: "Desk",
            flow: "f",
            csrf: "c",
            choices: &remembered_choices,
            other: "Use a different email",
            loopback_http: false,
        }),
        continue_as(&ContinueAsPage {
            app: "Desk",
            account: "pat@acme.example",
            idp_host: "login.acme.example",
            action: "/login/continue/h",
            csrf: "c",
            redirect_uri: "https://desk.example/callback",
        }),
        post_form(&PostFormPage {
            to_application: false,
            app: "Desk",
            url: "https://idp.example/sso",
            fields: &fields,
            loopback_http: false,
        }),
        error_of_status(StatusCode::NOT_FOUND, Some("req_1")),
        notice(&NoticePage {
            title: "Signed out",
            text: "You're signed out.",
            link: None,
        }),
    ];
    for page in pages {
        let body = &page.body;
        assert!(body.starts_with("<!doctype html>"), "{body}");
        assert_eq!(body.matches("<h1>").count(), 1, "{body}");
        for never in [
            " style=",
            "<style",
            " on",
            "src=\"http",
            "<link rel=\"stylesheet\" href=\"http",
        ] {
            let found = match never {
                " on" => {
                    body.contains(" onclick")
                        || body.contains(" onload")
                        || body.contains(" onsubmit")
                }
                _ => body.contains(never),
            };
            assert!(!found, "{never} in {body}");
        }
    }
}

#[test]
fn an_unknown_domain_gets_the_same_page_with_the_message() {
    let asked = sign_in(&sign_in_page(SignInMessage::Ask));
    let missed = sign_in(&sign_in_page(SignInMessage::NoMatch));
    assert_eq!(asked.status, missed.status);
    assert_eq!(asked.form_action, missed.form_action);
    assert!(missed.body.contains(
        "We couldn't find single sign-on for that address. Check the spelling, or go back to Desk and \
         sign in another way. If your company should have single sign-on, ask your IT team."
    ));
}

#[test]
fn an_application_may_have_no_email_asked_for() {
    for (asks, says) in [
        (DiscoveryMode::Slug, "sign-in code"),
        (DiscoveryMode::HintOnly, "Go back to Desk"),
    ] {
        for message in [SignInMessage::Ask, SignInMessage::NoMatch] {
            let page = sign_in(&SignInPage {
                asks,
                ..sign_in_page(message)
            });
            assert!(page.body.contains(says), "{}", page.body);
            assert!(!page.body.contains("type=\"email\""), "{}", page.body);
            assert!(!page.body.contains("find single sign-on"), "{}", page.body);
        }
    }
}

#[test]
fn forms_lead_only_where_their_page_must_go() {
    let policy = |action: FormAction| action.content_security_policy();
    assert!(policy(FormAction::Own).contains("form-action 'self';"));
    assert!(
        policy(FormAction::AnyIdp {
            loopback_http: false
        })
        .contains("form-action 'self' https:;")
    );
    let onward = |url: &str, loopback_http| {
        policy(FormAction::Onward {
            url: url.to_owned(),
            loopback_http,
        })
    };
    let idp = onward("http://10.0.0.1:8443/sso?x=1", false);
    assert!(idp.contains("form-action http://10.0.0.1:8443 'self' https:;"));
    let local = onward("https://idp.example/sso", true);
    assert!(local.contains("form-action https://idp.example 'self' https: http://localhost:*"));
    assert!(onward("javascript:alert(1)", true).contains("form-action 'none';"));
    let app = FormAction::OwnAnd("http://localhost:3000/callback".into());
    assert!(policy(app).contains("form-action 'self' http://localhost:3000;"));
}

fn sign_in_page(message: SignInMessage) -> SignInPage<'static> {
    SignInPage {
        app: "Desk",
        flow: "flow",
        csrf: "csrf",
        email: "pat@acme.example",
        asks: DiscoveryMode::Email,
        message,
        app_url: Some("https://desk.example/login"),
        loopback_http: false,
    }
}
