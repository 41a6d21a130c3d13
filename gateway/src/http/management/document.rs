//! The OpenAPI document, and the page that shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::endpoint::make_sync;
use poem::{Endpoint, Response};
use poem_openapi::OpenApiService;
use serde_json::{Value, json};

use super::strict::Strict;

const DESCRIPTION: &str = "\
Tenon signs an application's customers in with their own identity providers, and takes in their directories. \
This API sets it up.\n\n\
Authorize with `Authorization: Bearer <API key>`. Lists are newest first and take `limit` and `cursor`. A POST \
takes `Idempotency-Key`: sent again within 24 hours it changes nothing again and gets the same answer. PATCH \
changes the fields given, and null clears one. Fields and query parameters that an operation does not have are \
refused. Errors are RFC 9457 problems whose `code` is stable. Times are RFC 3339 in UTC with milliseconds.";

fn service() -> OpenApiService<Strict<super::Api>, ()> {
    OpenApiService::new(Strict(super::api()), "Tenon management API", "1")
        .description(DESCRIPTION)
        .server("/api/v1")
}

/// The OpenAPI 3.0 document of the management API, as `GET /api/v1/openapi.json` shows it.
pub fn openapi_document() -> String {
    finish(&service().spec())
}

/// poem-openapi knows optional fields, but not that they are null when they are empty: in our answers they
/// are, and in our requests they may be.
fn finish(spec: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(spec) else {
        return spec.to_owned();
    };
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        schemas.values_mut().for_each(optional_means_nullable);
    }
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_else(|_| spec.to_owned());
    text.push('\n');
    text
}

fn optional_means_nullable(schema: &mut Value) {
    let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        if required.iter().any(|it| it == name) {
            continue;
        }
        // In OpenAPI 3.0 nothing beside a `$ref` counts.
        if let Some(reference) = property.get("$ref").cloned() {
            *property = json!({"allOf": [{"$ref": reference}]});
        }
        if let Value::Object(property) = property {
            property.insert("nullable".to_owned(), true.into());
        }
    }
}

pub(super) fn json() -> impl Endpoint + 'static {
    let document = openapi_document();
    make_sync(move |_| {
        Response::builder()
            .content_type("application/json")
            .body(document.clone())
    })
}

/// Swagger UI with the document inside: no other file, no other host. The policy lets exactly its scripts run.
pub(super) fn page() -> impl Endpoint + 'static {
    let service = service();
    let html = service
        .swagger_ui_html()
        .replacen(&service.spec(), &openapi_document(), 1)
        .replacen(
            "<title>Swagger UI<",
            "<link rel=\"icon\" href=\"data:,\"><title>Tenon management API<",
            1,
        );
    let policy = content_security_policy(&html);
    make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(http::header::CONTENT_SECURITY_POLICY, policy.as_str())
            .body(html.clone())
    })
}

fn content_security_policy(html: &str) -> String {
    let scripts: Vec<String> = inline_scripts(html).map(hash).collect();
    // The UI sets style attributes, which no hash can name; styles from elsewhere stay out.
    format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        scripts.join(" ")
    )
}

/// Each inline script as the browser sees it: up to the next end tag, whatever stands in its strings.
fn inline_scripts(mut html: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (_, rest) = html.split_once("<script")?;
        let (_, text) = rest.split_once('>')?;
        let (script, after) = text.split_once("</script>")?;
        html = after;
        Some(script)
    })
}

fn hash(script: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
    format!("'sha256-{}'", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let current = openapi_document();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "docs/openapi.json is out of date: run the tests once with UPDATE_OPENAPI=1"
        );
    }

    #[test]
    fn the_page_runs_its_two_scripts_and_no_other() {
        let html = service().swagger_ui_html();
        let policy = content_security_policy(&html);
        assert_eq!(policy.matches("'sha256-").count(), 2);
        assert!(!html.contains("src=\"http") && !html.contains("href=\"http"));
    }
}
