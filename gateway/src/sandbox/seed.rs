//! What the sandbox sets up in the gateway, through the management API and nothing else. Every step looks
//! first, so a second start changes nothing, and a changed port is put right.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    api::{ApiClient, ApiError, text},
    idp::{OidcClient, PracticeIdp, Tile},
    people::{ACME_DOMAIN, GLOBEX_DOMAIN},
    state,
};

/// Secrets that the API shows once, and what was sent last, beside the gateway's database.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    saml_metadata: String,
    oidc_issuer: String,
    oidc_client_secret: String,
    directory_id: String,
    directory_token: String,
    application_id: String,
    client_secret: String,
    webhook_endpoint_id: String,
    webhook_secret: String,
}

/// What the practice directory and the sample application need to know.
#[derive(Debug, Clone)]
pub struct Seeded {
    pub acme_id: String,
    pub globex_id: String,
    pub scim_base_url: String,
    pub scim_token: String,
    pub client_id: String,
    pub client_secret: String,
    pub webhook_secret: String,
}

pub const OIDC_CLIENT_ID: &str = "tenon-globex";

/// Sets everything up. `sandbox_url` is where the sample application lives, `new_secret` makes a client
/// secret for the practice IdP.
pub async fn seed(
    api: &ApiClient,
    idp: &PracticeIdp,
    sandbox_url: &str,
    file: &Path,
    new_secret: String,
) -> Result<Seeded, SeedError> {
    let mut kept: Kept = state::read_or_default(file);
    for (slug, name, description, priority) in [
        ("admin", "Admin", "Manages the sample application", 100),
        ("support", "Support", "Answers customers", 50),
        ("member", "Member", "Uses the sample application", 10),
    ] {
        let role = json!({"name": name, "description": description, "priority": priority});
        api.put(&format!("/roles/{slug}"), &role).await?;
    }
    let acme_id = organization(api, "Acme", "sandbox-acme", ACME_DOMAIN).await?;
    let globex_id = organization(api, "Globex", "sandbox-globex", GLOBEX_DOMAIN).await?;

    // What the API shows once is written down before the next call can fail.
    saml_connection(api, idp, &acme_id, &mut kept).await?;
    state::write_private(file, &kept)?;
    oidc_connection(api, idp, &globex_id, &mut kept, new_secret).await?;
    state::write_private(file, &kept)?;
    let scim_base_url = directory(api, &acme_id, &mut kept).await?;
    state::write_private(file, &kept)?;
    let client_id = application(api, sandbox_url, &mut kept).await?;
    state::write_private(file, &kept)?;
    webhook_endpoint(api, sandbox_url, &mut kept).await?;
    state::write_private(file, &kept)?;

    Ok(Seeded {
        acme_id,
        globex_id,
        scim_base_url,
        scim_token: kept.directory_token,
        client_id,
        client_secret: kept.client_secret,
        webhook_secret: kept.webhook_secret,
    })
}

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("{0}")]
    Api(#[from] ApiError),
    #[error("the sandbox cannot keep its state: {0}")]
    File(#[from] std::io::Error),
}

async fn organization(
    api: &ApiClient,
    name: &str,
    external_id: &str,
    domain: &str,
) -> Result<String, ApiError> {
    let path = format!("/organizations?external_id={external_id}");
    let found = match api.first(&path, |_| true).await? {
        Some(found) => found,
        None => {
            let body = json!({"name": name, "external_id": external_id, "domains": [domain]});
            api.post("/organizations", &body).await?
        }
    };
    text(&found, "/organizations", "id")
}

/// Acme signs in over SAML. Its IdP's metadata carries everything.
async fn saml_connection(
    api: &ApiClient,
    idp: &PracticeIdp,
    organization_id: &str,
    kept: &mut Kept,
) -> Result<(), ApiError> {
    let path = format!("/organizations/{organization_id}/connections");
    let metadata = idp.saml_metadata();
    let settings = json!({"metadata_xml": &metadata});
    let connection = match api.first(&path, |entry| entry["type"] == "saml").await? {
        Some(found) if kept.saml_metadata == metadata => found,
        Some(found) => {
            let path = format!("/connections/{}", text(&found, &path, "id")?);
            api.patch(&path, &json!({"saml": settings})).await?
        }
        None => {
            let body = json!({"name": "Acme employees", "type": "saml", "saml": settings, "activate": true});
            let created = api.post(&path, &body).await?;
            let mappings = json!({"mappings": [
                {"group": "Engineering", "role": "admin"},
                {"group": "Support", "role": "support"},
            ]});
            let id = text(&created, &path, "id")?;
            api.put(&format!("/connections/{id}/role_mappings"), &mappings)
                .await?;
            created
        }
    };
    idp.set_tile(Tile {
        audience: text(&connection, &path, "saml.sp.entity_id")?,
        acs_url: text(&connection, &path, "saml.sp.acs_url")?,
    });
    kept.saml_metadata = metadata;
    Ok(())
}

/// Globex signs in over OIDC. The gateway is a client of the practice IdP, with a secret.
async fn oidc_connection(
    api: &ApiClient,
    idp: &PracticeIdp,
    organization_id: &str,
    kept: &mut Kept,
    new_secret: String,
) -> Result<(), ApiError> {
    let path = format!("/organizations/{organization_id}/connections");
    let issuer = idp.oidc_issuer();
    let known = !kept.oidc_client_secret.is_empty() && kept.oidc_issuer == issuer;
    if kept.oidc_client_secret.is_empty() {
        kept.oidc_client_secret = new_secret;
    }
    let settings = json!({
        "issuer": &issuer,
        "client_id": OIDC_CLIENT_ID,
        "client_secret": &kept.oidc_client_secret,
        "scopes": ["openid", "email", "profile", "groups"],
    });
    // The gateway may read the issuer's metadata before it answers.
    idp.register_client(OidcClient {
        client_id: OIDC_CLIENT_ID.to_owned(),
        client_secret: kept.oidc_client_secret.clone(),
    });
    match api.first(&path, |entry| entry["type"] == "oidc").await? {
        Some(_) if known => {}
        Some(found) => {
            let path = format!("/connections/{}", text(&found, &path, "id")?);
            api.patch(&path, &json!({"oidc": settings})).await?;
        }
        None => {
            let body = json!({"name": "Globex employees", "type": "oidc", "oidc": settings, "activate": true});
            let connection = api.post(&path, &body).await?;
            let id = text(&connection, &path, "id")?;
            let mappings = json!({"mappings": [{"group": "Platform", "role": "admin"}]});
            api.put(&format!("/connections/{id}/role_mappings"), &mappings)
                .await?;
        }
    }
    kept.oidc_issuer = issuer;
    Ok(())
}

/// Acme's directory, with roles for its groups. Answers its SCIM base URL.
async fn directory(
    api: &ApiClient,
    organization_id: &str,
    kept: &mut Kept,
) -> Result<String, ApiError> {
    let path = format!("/organizations/{organization_id}/directories");
    let name = "Practice directory";
    let directory = match api.first(&path, |entry| entry["name"] == name).await? {
        Some(found) => found,
        None => {
            let body = json!({"name": name, "default_role": "member"});
            let created = api.post(&path, &body).await?;
            kept.directory_id = text(&created, &path, "id")?;
            kept.directory_token = text(&created, &path, "scim.bearer_token")?;
            let mappings = json!({"mappings": [
                {"group_display_name": "Engineering", "role": "admin"},
                {"group_display_name": "Support", "role": "support"},
            ]});
            let path = format!("/directories/{}/role_mappings", kept.directory_id);
            api.put(&path, &mappings).await?;
            created
        }
    };
    let id = text(&directory, &path, "id")?;
    if kept.directory_id != id || kept.directory_token.is_empty() {
        let path = format!("/directories/{id}/tokens");
        kept.directory_token = text(&api.post(&path, &json!({})).await?, &path, "bearer_token")?;
        kept.directory_id = id;
    }
    text(&directory, &path, "scim.base_url")
}

/// The sample application as an OIDC client. Answers its client id.
async fn application(
    api: &ApiClient,
    sandbox_url: &str,
    kept: &mut Kept,
) -> Result<String, ApiError> {
    let name = "Sample app";
    let addresses = json!({
        "redirect_uris": [format!("{sandbox_url}/app/callback")],
        "post_logout_redirect_uris": [format!("{sandbox_url}/app")],
        "initiate_login_uri": format!("{sandbox_url}/app/login"),
    });
    let path = "/applications";
    let Some(found) = api.first(path, |entry| entry["name"] == name).await? else {
        let mut body = addresses;
        body["name"] = name.into();
        let created = api.post(path, &body).await?;
        kept.application_id = text(&created, path, "id")?;
        kept.client_secret = text(&created, path, "client_secret")?;
        return text(&created, path, "client_id");
    };
    let id = text(&found, path, "id")?;
    if differs(&found, &addresses) {
        api.patch(&format!("{path}/{id}"), &addresses).await?;
    }
    if kept.application_id != id || kept.client_secret.is_empty() {
        let path = format!("{path}/{id}/rotate_secret");
        kept.client_secret = text(&api.post(&path, &json!({})).await?, &path, "client_secret")?;
        kept.application_id = id;
    }
    text(&found, path, "client_id")
}

/// The sample application's receiver, for the events of every organization.
async fn webhook_endpoint(
    api: &ApiClient,
    sandbox_url: &str,
    kept: &mut Kept,
) -> Result<(), ApiError> {
    let description = "Sample app of the sandbox";
    let address = json!({"url": format!("{sandbox_url}/app/webhooks")});
    let path = "/webhook_endpoints";
    let Some(found) = api
        .first(path, |entry| entry["description"] == description)
        .await?
    else {
        let mut body = address;
        body["description"] = description.into();
        let created = api.post(path, &body).await?;
        kept.webhook_endpoint_id = text(&created, path, "id")?;
        kept.webhook_secret = text(&created, path, "secret")?;
        return Ok(());
    };
    let id = text(&found, path, "id")?;
    if differs(&found, &address) {
        api.patch(&format!("{path}/{id}"), &address).await?;
    }
    if found["state"] == "disabled" {
        // The sandbox was not there for a while, and the gateway gave up.
        api.post(&format!("{path}/{id}/enable"), &json!({})).await?;
    }
    if kept.webhook_endpoint_id != id || kept.webhook_secret.is_empty() {
        let path = format!("{path}/{id}/rotate_secret");
        kept.webhook_secret = text(&api.post(&path, &json!({})).await?, &path, "secret")?;
        kept.webhook_endpoint_id = id;
    }
    Ok(())
}

/// Whether a member of `wanted` is not as it should be.
fn differs(found: &Value, wanted: &Value) -> bool {
    wanted
        .as_object()
        .is_some_and(|wanted| wanted.iter().any(|(name, value)| found[name] != *value))
}

#[cfg(test)]
mod tests;
