//! The token endpoint and its neighbours, as an application sees them.

mod assertions;
mod claims;
mod confusion;
mod cost;
mod desk;
mod discovery;
mod grants;
mod negative;
mod pushed;
mod refusals;
mod revocation;
mod rotation;
mod userinfo;
