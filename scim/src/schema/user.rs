//! User (RFC 7643 section 4.1) and the enterprise extension (section 4.3).

use super::{Attribute, Schema};

pub static USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "A person's account.",
    attributes: &[
        Attribute::text(
            "userName",
            "The name that identifies the user in the directory, often an email address. Unique whatever its case.",
        )
        .required()
        .unique()
        .looked_up(),
        Attribute::complex(
            "name",
            &[
                Attribute::text("formatted", "The full name, ready to display."),
                Attribute::text("familyName", "The family name."),
                Attribute::text("givenName", "The given name."),
                Attribute::text("middleName", "The middle names."),
                Attribute::text("honorificPrefix", "What stands before the name, such as Dr."),
                Attribute::text("honorificSuffix", "What stands after the name, such as III."),
            ],
            "The parts of the user's name.",
        ),
        Attribute::text("displayName", "The name shown to other people.").looked_up(),
        Attribute::text("nickName", "The casual name."),
        Attribute::reference("profileUrl", &["external"], "A page about the user."),
        Attribute::text("title", "The job title."),
        Attribute::text("userType", "The relation to the organization, such as Employee."),
        Attribute::text("preferredLanguage", "The preferred language, as in Accept-Language."),
        Attribute::text("locale", "The user's locale, such as en-US."),
        Attribute::text("timezone", "The user's time zone, such as Europe/Berlin."),
        Attribute::boolean(
            "active",
            "Whether the user may sign in. A user without a value is active.",
        ),
        Attribute::text(
            "password",
            "Accepted for directories that send one, and thrown away: nobody signs in here by password.",
        )
        .case_exact()
        .write_only(),
        Attribute::complex(
            "emails",
            &[
                Attribute::text("value", "The email address.").looked_up(),
                DISPLAY,
                TYPE.suggesting(&["work", "home", "other"]),
                PRIMARY,
            ],
            "Email addresses.",
        )
        .multi_valued(),
        Attribute::complex(
            "phoneNumbers",
            &[
                Attribute::text("value", "The phone number, kept as it was sent."),
                DISPLAY,
                TYPE.suggesting(&["work", "home", "mobile", "fax", "pager", "other"]),
                PRIMARY,
            ],
            "Phone numbers.",
        )
        .multi_valued(),
        Attribute::complex(
            "ims",
            &[
                Attribute::text("value", "The instant messaging address."),
                DISPLAY,
                TYPE.suggesting(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
                PRIMARY,
            ],
            "Instant messaging addresses.",
        )
        .multi_valued(),
        Attribute::complex(
            "photos",
            &[
                Attribute::reference("value", &["external"], "The URL of the photo."),
                DISPLAY,
                TYPE.suggesting(&["photo", "thumbnail"]),
                PRIMARY,
            ],
            "Photos.",
        )
        .multi_valued(),
        Attribute::complex(
            "addresses",
            &[
                Attribute::text("formatted", "The whole address, ready to print."),
                Attribute::text("streetAddress", "Street, house number, further lines."),
                Attribute::text("locality", "The city."),
                Attribute::text("region", "The state or region."),
                Attribute::text("postalCode", "The postal code."),
                Attribute::text("country", "The country, by ISO 3166-1 alpha-2."),
                TYPE.suggesting(&["work", "home", "other"]),
                PRIMARY,
            ],
            "Postal addresses.",
        )
        .multi_valued(),
        Attribute::complex(
            "groups",
            &[
                Attribute::text("value", "The group's id.").case_exact().read_only(),
                Attribute::reference("$ref", &["Group"], "The group's URL.").read_only(),
                Attribute::text("display", "The group's display name.").read_only(),
                Attribute::text("type", "How the user belongs to the group.")
                    .read_only()
                    .suggesting(&["direct"]),
            ],
            "The groups that list the user as a member.",
        )
        .multi_valued()
        .read_only(),
        Attribute::complex(
            "entitlements",
            &[Attribute::text("value", "The entitlement."), DISPLAY, TYPE, PRIMARY],
            "What the user is entitled to.",
        )
        .multi_valued(),
        Attribute::complex(
            "roles",
            &[Attribute::text("value", "The role."), DISPLAY, TYPE, PRIMARY],
            "The roles that the directory says the user has.",
        )
        .multi_valued(),
        Attribute::complex(
            "x509Certificates",
            &[
                Attribute::binary("value", "The DER certificate, base64."),
                DISPLAY,
                TYPE,
                PRIMARY,
            ],
            "Certificates issued to the user.",
        )
        .multi_valued(),
    ],
};

const DISPLAY: Attribute = Attribute::text("display", "A name to show.");
const TYPE: Attribute = Attribute::text("type", "What the value is for.");
const PRIMARY: Attribute = Attribute::boolean(
    "primary",
    "Whether this is the preferred value. At most one value is.",
);

pub static ENTERPRISE_USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "What an employer knows about the user.",
    attributes: &[
        Attribute::text("employeeNumber", "The employee number."),
        Attribute::text("costCenter", "The cost center."),
        Attribute::text("organization", "The organization."),
        Attribute::text("division", "The division."),
        Attribute::text("department", "The department."),
        Attribute::complex(
            "manager",
            &[
                Attribute::text("value", "The manager's id in this directory.").case_exact(),
                Attribute::reference("$ref", &["User"], "The manager's URL."),
                Attribute::text("displayName", "The manager's display name.").read_only(),
            ],
            "The user's manager.",
        ),
    ],
};
