//! SECURITY-MODEL G16: an authorization response goes to an address that was registered, byte for byte, or nowhere.

use poem::http::{Method, header};
use url::form_urlencoded::byte_serialize;

use super::desk::{CHALLENGE, Desk, SECRET, basic, request};

const REGISTERED: [&str; 6] = [
    "https://app.example/callback",
    "https://app.example/Folder/call%2Fback?from=tenon",
    "https://xn--mnchen-3ya.example/callback",
    "http://localhost:8080/callback",
    "http://127.0.0.1:8080/callback",
    "http://[::1]:8080/callback",
];

/// What is near to one of them, to a URL parser, a browser or a person.
const NEAR: [&str; 61] = [
    // Scheme
    "http://app.example/callback",
    "HTTPS://app.example/callback",
    "https:app.example/callback",
    "https:/app.example/callback",
    "https:///app.example/callback",
    "//app.example/callback",
    "/callback",
    "callback",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,https://app.example/callback",
    "com.example.app:/callback",
    // Host
    "https://APP.example/callback",
    "https://app.EXAMPLE/callback",
    "https://app.example./callback",
    "https://www.app.example/callback",
    "https://evil.example/callback",
    "https://app.example.evil.example/callback",
    "https://evilapp.example/callback",
    "https://app%2eexample/callback",
    "https://app\u{3002}example/callback",
    "https://\u{430}pp.example/callback",
    "https://m\u{fc}nchen.example/callback",
    "https://app.example\u{0}.evil.example/callback",
    // Port
    "https://app.example:443/callback",
    "https://app.example:8443/callback",
    "https://app.example:/callback",
    // This machine: what RFC 8252 7.3 lets a native app choose, CONTRACT section 4 has exact.
    "http://localhost/callback",
    "http://localhost:8081/callback",
    "https://localhost:8080/callback",
    "http://LOCALHOST:8080/callback",
    "http://127.0.0.1/callback",
    "http://127.0.0.1:65535/callback",
    "http://127.0.0.2:8080/callback",
    "http://127.1:8080/callback",
    "http://2130706433:8080/callback",
    "http://0.0.0.0:8080/callback",
    "http://[::1]/callback",
    "http://[::1]:8081/callback",
    "http://[0:0:0:0:0:0:0:1]:8080/callback",
    "http://[::ffff:127.0.0.1]:8080/callback",
    "http://[::]:8080/callback",
    // User
    "https://user@app.example/callback",
    "https://:secret@app.example/callback",
    "https://app.example@evil.example/callback",
    "https://app.example%40evil.example/callback",
    // Backslash
    "https:\\\\app.example\\callback",
    "https://app.example\\callback",
    "https://evil.example\\@app.example/callback",
    "https://evil.example%5c@app.example/callback",
    "https://app.example/callback%5c..",
    // Path
    "https://app.example/callback/",
    "https://app.example/Callback",
    "https://app.example/callback/../callback",
    "https://app.example/./callback",
    "https://app.example/x/%2e%2e/callback",
    "https://app.example/%63allback",
    "https://app.example/folder/call%2fback?from=tenon",
    "https://app.example/callback;x",
    // Query and fragment
    "https://app.example/callback?",
    "https://app.example/callback#",
    "https://app.example/callback#x",
];

fn query(client: &str, redirect_uri: &str) -> String {
    let uri: String = byte_serialize(redirect_uri.as_bytes()).collect();
    format!(
        "client_id={client}&response_type=code&scope=openid&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256&redirect_uri={uri}"
    )
}

#[tokio::test]
async fn redirect_table() {
    let mut desk = Desk::open().await;
    desk.client = desk
        .application(|stored| {
            stored.application.redirect_uris = REGISTERED.map(str::to_owned).to_vec();
        })
        .await;
    let client = desk.client.to_string();
    let proof = basic(&client, SECRET);
    let form = "application/x-www-form-urlencoded";
    let post = |path, authorization, body| {
        let post = request(Method::POST, path, authorization).content_type(form);
        desk.send(post.body(body))
    };
    for uri in REGISTERED {
        // An error that the application is told: where, is what counts.
        let asked = query(&client, uri) + "&prompt=none";
        let start = if uri.contains('?') { "&" } else { "?" };
        let expected = format!("{uri}{start}error=login_required&");
        let got = desk.get(&format!("/oauth/authorize?{asked}")).await;
        let posted = post("/oauth/authorize", None, asked.clone()).await;
        for answer in [got, posted] {
            assert_eq!(answer.status, 303, "{uri}: {}", answer.text);
            let location = answer.header(header::LOCATION);
            assert!(location.starts_with(&expected), "{uri}: {location}");
        }
        let pushed = post("/oauth/par", Some(&proof), asked).await;
        assert_eq!(pushed.status, 201, "{uri}: {}", pushed.text);
    }
    let around = REGISTERED.iter().flat_map(|uri| {
        let spaced = [format!(" {uri}"), format!("{uri} "), format!("{uri}\n")];
        let cut = uri[..uri.len() - 1].to_owned();
        let more = [
            format!("{uri}x"),
            format!("{uri}&x=y"),
            format!("{uri}?x=y"),
        ];
        spaced.into_iter().chain(more).chain([cut])
    });
    for uri in NEAR.map(str::to_owned).into_iter().chain(around) {
        let asked = query(&client, &uri);
        // With `prompt=none` and with another mistake too: no error is worth an address that was not registered.
        let passive = format!("{asked}&prompt=none");
        let wrong = format!("{asked}&response_mode=form_post&request=a.b.c");
        for asked in [&asked, &passive, &wrong] {
            let got = desk.get(&format!("/oauth/authorize?{asked}")).await;
            let posted = post("/oauth/authorize", None, asked.clone()).await;
            for answer in [got, posted] {
                assert_eq!(answer.status, 400, "{uri:?}: {}", answer.text);
                assert_eq!(answer.header(header::LOCATION), "", "{uri:?}");
                let code = answer.headers.get("tenon-error").unwrap();
                assert_eq!(code, "invalid_redirect_uri", "{uri:?}");
                assert!(!answer.text.contains("evil.example"), "{uri:?}");
            }
            let pushed = post("/oauth/par", Some(&proof), asked.clone()).await;
            assert_eq!(pushed.refusal(), (400, "invalid_request"), "{uri:?}");
        }
    }
}
