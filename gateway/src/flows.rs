//! What Tenon does, apart from how it is asked: each flow takes parsed input and knows no HTTP.

pub mod api_keys;
pub mod applications;
pub mod authorize;
pub mod client_assertion;
pub mod connections;
pub mod directories;
pub mod discovery;
pub mod domains;
pub mod event_feed;
pub mod housekeeping;
pub mod login;
pub mod logout;
pub mod organizations;
pub mod provisioning;
pub mod provisioning_log;
pub mod pushed_requests;
pub mod role_mappings;
pub mod roles;
pub mod signing_keys;
pub mod tokens;
pub mod webhook_endpoints;
