//! What parses as a filter prints as one that parses to the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{Filter, ResourceType};

fuzz_target!(|text: &str| {
    for resource_type in [ResourceType::User, ResourceType::Group] {
        if let Ok(filter) = Filter::parse(resource_type, text, &Default::default()) {
            let printed = filter.to_string();
            assert_eq!(
                Filter::parse(resource_type, &printed, &Default::default()).as_ref(),
                Ok(&filter),
                "{printed}"
            );
        }
    }
});
