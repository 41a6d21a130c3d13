//! The token endpoint and its neighbours, as an application sees them.

mod assertions;
mod claims;
mod client_keys;
mod confusion;
mod cost;
mod cutoff;
mod desk;
mod discovery;
mod grants;
mod negative;
mod notices;
mod par;
mod redirect_table;
mod refusals;
mod rotation;
mod status;
mod userinfo;
