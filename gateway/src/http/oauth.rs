//! The OpenID provider's endpoints for the application (CONTRACT section 4).

pub(super) mod authorize;
