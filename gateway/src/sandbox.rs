//! The sandbox of `tenon dev`: a practice identity provider, a practice directory and a sample application in
//! a web server of their own, which know the gateway only by its URL, as real ones would.

pub mod idp;
pub mod people;
mod state;
