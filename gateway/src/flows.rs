//! What Tenon does, apart from how it is asked: each flow takes parsed input and knows no HTTP.

pub mod authorize;
pub mod discovery;
pub mod login;
pub mod roles;
