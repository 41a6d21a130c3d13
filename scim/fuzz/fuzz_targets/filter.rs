//! What parses as a filter prints as one that parses to the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{Filter, ResourceType, ScimError};

fuzz_target!(|text: &str| {
    for resource_type in [ResourceType::User, ResourceType::Group] {
        if let Ok(filter) = Filter::parse(resource_type, text, &Default::default()) {
            let printed = filter.to_string();
            match Filter::parse(resource_type, &printed, &Default::default()) {
                Ok(again) => assert_eq!(again, filter, "{printed}"),
                // Short forms are written out and branches get parentheses: the limits may be passed.
                Err(ScimError::FilterMalformed { problem, .. })
                    if problem.contains("longer") || problem.contains("deeper") => {}
                Err(error) => panic!("{error}: {printed}"),
            }
        }
    }
});
