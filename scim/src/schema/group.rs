//! Group (RFC 7643 section 4.2).

use super::{Attribute, Schema};

pub static GROUP: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "A group of users and groups.",
    attributes: &[
        Attribute::text("displayName", "The group's name.")
            .required()
            .looked_up(),
        Attribute::complex(
            "members",
            &[
                Attribute::text("value", "The member's id in this directory.")
                    .case_exact()
                    .immutable()
                    .looked_up(),
                Attribute::reference("$ref", &["User", "Group"], "The member's URL.").immutable(),
                Attribute::text("type", "What the member is.")
                    .immutable()
                    .suggesting(&["User", "Group"]),
                Attribute::text("display", "The member's display name.").read_only(),
            ],
            "The members of the group.",
        )
        .multi_valued(),
    ],
};
