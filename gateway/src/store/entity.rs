//! The rows as the ORM sees them, one file per table. Private to the store: they leave it as `model` structs.

#![expect(unreachable_pub, reason = "the ORM's derives make public items")]

pub mod api_keys;
pub mod applications;
pub mod audit_log;
pub mod authorization_codes;
pub mod certificate_notices;
pub mod client_assertions;
pub mod config_changes;
pub mod config_version;
pub mod connection_keys;
pub mod connection_upkeep;
pub mod connections;
pub mod data_keys;
pub mod deliveries;
pub mod delivery_attempts;
pub mod deployment_secrets;
pub mod directories;
pub mod directory_requests;
pub mod directory_tokens;
pub mod directory_users;
pub mod directory_values;
pub mod domains;
pub mod event_feed;
pub mod event_streams;
pub mod events;
pub mod groups;
pub mod idempotency_keys;
pub mod identities;
pub mod login_responses;
pub mod logins;
pub mod logout_notices;
pub mod logouts;
pub mod memberships;
pub mod organizations;
pub mod pushed_requests;
pub mod refresh_tokens;
pub mod replay_ids;
pub mod revoked_access_tokens;
pub mod role_mappings;
pub mod roles;
pub mod sessions;
pub mod signing_keys;
pub mod user_roles;
pub mod users;
pub mod webhook_endpoints;
