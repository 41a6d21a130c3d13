//! The command line beside a running gateway.

mod saml;
