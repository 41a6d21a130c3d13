//! The command line beside a running gateway.

mod keys;
mod saml;
