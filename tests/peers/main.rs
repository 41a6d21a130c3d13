//! Tenon among the software that customers and applications really run.

mod among_themselves;
mod applications;
mod oidc_provider;
mod oidc_provider_faults;
mod oidc_provider_logout;
mod saml_oracles;
mod scim_tester;
mod simplesamlphp;
mod webhooks;
