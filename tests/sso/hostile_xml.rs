//! What strangers post to an assertion consumer service. Each gets its code, and nothing of it is ever fetched.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use integration::{Page, RelyingParty, Trap, UserAgent, text};
use serde_json::json;

use crate::acme;

const ASSERTION: &str = "<saml:Assertion ";

#[tokio::test]
async fn bad_responses_get_their_code_and_reach_out_to_nobody() {
    let (tenon, organization, idp) = acme().await;
    let connection = idp.saml_connection(&tenon, &organization, json!({})).await;
    let acs = text(&connection["saml"]["sp"]["acs_url"]);
    let app = RelyingParty::register(&tenon).await;
    let trap = Trap::set().await;
    let url = trap.url();

    // Each one edits a genuine, signed response that answers a request of this browser.
    let doctype = format!("<!DOCTYPE r [<!ENTITY x SYSTEM \"{url}\">]>");
    let external = format!("<!DOCTYPE r SYSTEM \"{url}\">");
    let reference = format!("URI=\"{url}\"");
    let retrieval = format!("<ds:KeyInfo><ds:RetrievalMethod URI=\"{url}\"/></ds:KeyInfo>");
    let stylesheet = format!(
        "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"><xsl:stylesheet \
         xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"><xsl:include href=\"{url}\"/>\
         </xsl:stylesheet></ds:Transform></ds:Transforms>"
    );
    type Edit<'a> = Box<dyn Fn(&str) -> String + 'a>;
    let edits: Vec<(&str, Edit<'_>, &[&str])> = vec![
        (
            "an end tag is missing",
            Box::new(|xml| xml.replace("</samlp:Response>", "")),
            &["response_malformed"],
        ),
        (
            "text follows the root",
            Box::new(|xml| format!("{xml}<x/>")),
            &["response_malformed"],
        ),
        (
            "not XML at all",
            Box::new(|_| "hello".to_owned()),
            &["response_malformed"],
        ),
        (
            "another root",
            Box::new(|_| "<x/>".to_owned()),
            &["response_malformed"],
        ),
        (
            "a NUL",
            Box::new(|xml| xml.replace("<samlp:Status>", "<samlp:Status>&#0;")),
            &["response_malformed"],
        ),
        (
            "a processing instruction",
            Box::new(|xml| format!("<?xml-stylesheet href=\"{url}\"?>{xml}")),
            &["response_malformed"],
        ),
        (
            "an external entity",
            Box::new(|xml| format!("{doctype}{xml}")),
            &["dtd_forbidden"],
        ),
        (
            "an external DTD",
            Box::new(|xml| format!("{external}{xml}")),
            &["dtd_forbidden"],
        ),
        (
            "a reference to elsewhere",
            Box::new(|xml| replace_attribute(xml, "<ds:Reference ", "URI=\"", &reference)),
            &["signature_invalid"],
        ),
        (
            "a key to fetch",
            Box::new(|xml| replace_element(xml, "ds:KeyInfo", &retrieval)),
            // The key is pinned and KeyInfo ignored; either it is tolerated there or the signature is refused.
            &["signature_invalid", ""],
        ),
        (
            "a stylesheet",
            Box::new(|xml| xml.replacen("</ds:Transforms>", &stylesheet, 1)),
            &["signature_invalid", "signature_algorithm_forbidden"],
        ),
        (
            "no signature",
            Box::new(|xml| replace_element(xml, "ds:Signature", "")),
            &["signature_missing"],
        ),
        (
            "two assertions",
            Box::new(|xml| {
                let from = xml.find(ASSERTION).expect("an assertion");
                let to = xml.find("</samlp:Response>").expect("the end");
                let forged = xml[from..to]
                    .replace(" ID=\"", " ID=\"x")
                    .replace("ada@", "eve@");
                format!("{}{forged}{}", &xml[..from], &xml[from..])
            }),
            &[
                "assertion_ambiguous",
                "signature_invalid",
                "response_malformed",
            ],
        ),
    ];
    for (what, edit, codes) in edits {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        let genuine = posting.decoded("SAMLResponse");
        let edited = edit(&genuine);
        assert_ne!(edited, genuine, "{what}: the edit found nothing");
        let form = posting
            .form()
            .fill("SAMLResponse", &STANDARD.encode(edited));
        let page = browser.submit(&posting, form).await;
        let code = page.header("tenon-error");
        assert!(
            codes.contains(&code),
            "{what}: {code:?} {} {}",
            page.status,
            page.url
        );
        assert_eq!(
            code.is_empty(),
            !(400..500).contains(&page.status),
            "{what}: {}",
            page.status
        );
    }

    // And some that have no XML to edit.
    let huge = "A".repeat(10 << 20);
    for (what, fields, codes) in [
        ("nothing", vec![], &["response_missing"][..]),
        (
            "an empty field",
            vec![("SAMLResponse", "")],
            &["response_missing", "response_malformed"],
        ),
        (
            "no base64",
            vec![("SAMLResponse", "<x/>")],
            &["response_malformed"],
        ),
        (
            "ten MiB",
            vec![("SAMLResponse", &*huge)],
            &["response_too_large"],
        ),
    ] {
        let page = post(&acs, &fields).await;
        let code = page.tenon_error();
        assert!(codes.contains(&code), "{what}: {code}");
    }

    assert_eq!(trap.connections(), 0, "something was fetched");
    let path = format!("/organizations/{}/users", text(&organization["id"]));
    let users = tenon.api().get(&path).await.expect(200);
    let emails: Vec<_> = users["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| text(&user["email"]))
        .collect();
    assert!(
        emails.iter().all(|email| email == "ada@acme.example"),
        "{emails:?}"
    );
}

async fn post(acs: &str, fields: &[(&str, &str)]) -> Page {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut browser = UserAgent::new();
    browser.post(acs, fields.collect()).await
}

fn replace_element(xml: &str, name: &str, with: &str) -> String {
    let from = xml.find(&format!("<{name}")).expect("the element");
    let end = format!("</{name}>");
    let to = from + xml[from..].find(&end).expect("its end") + end.len();
    format!("{}{with}{}", &xml[..from], &xml[to..])
}

fn replace_attribute(xml: &str, tag: &str, attribute: &str, with: &str) -> String {
    let tag = xml.find(tag).expect("the tag");
    let from = tag + xml[tag..].find(attribute).expect("the attribute");
    let value = from + attribute.len();
    let to = value + xml[value..].find('"').expect("its end") + 1;
    format!("{}{with}{}", &xml[..from], &xml[to..])
}

/// Two readers of one form could each believe another field.
#[tokio::test]
async fn a_form_with_two_responses_is_refused() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    for second_is_empty in [false, true] {
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        let mut form = posting.form();
        let field = form
            .fields
            .iter()
            .find(|(name, _)| name == "SAMLResponse")
            .cloned();
        let (name, value) = field.expect("a response");
        let second = if second_is_empty {
            String::new()
        } else {
            value
        };
        form.fields.push((name, second));
        let refused = browser.submit(&posting, form).await;
        assert_eq!(refused.tenon_error(), "response_malformed");
        crate::assert_failed_and_changed_nothing(&tenon, &organization, "response_malformed").await;
    }
}
