//! A PATCH path is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{Path, ResourceType};

fuzz_target!(|text: &str| {
    for resource_type in [ResourceType::User, ResourceType::Group] {
        let _ = Path::parse(resource_type, text, &Default::default());
    }
});
