//! Whole logins against a provider in memory: its answers come through a fake [`HttpClient`].

mod accept;
mod begin;
mod fake_idp;
mod fixtures;
mod keys;
mod logout;
mod reject;
