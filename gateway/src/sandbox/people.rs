//! The people of the two practice companies. The practice IdP signs them in, the practice directory pushes
//! those of Acme.

/// One person as their company knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Never changes: the directory's `externalId` and the IdP's `id` attribute.
    pub id: String,
    pub given_name: String,
    pub family_name: String,
    pub email: String,
    /// What the OpenID provider says of it.
    pub email_verified: bool,
    pub job_title: String,
    pub department: String,
    /// Display names.
    pub groups: Vec<String>,
}

impl Person {
    /// A person with nothing but an email, for tests.
    pub fn with_email(email: &str) -> Self {
        let (local, _) = email.rsplit_once('@').unwrap_or((email, ""));
        Self {
            id: format!("id-{local}"),
            given_name: local.to_owned(),
            family_name: "Example".to_owned(),
            email: email.to_owned(),
            email_verified: true,
            job_title: String::new(),
            department: String::new(),
            groups: Vec::new(),
        }
    }

    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    pub fn domain(&self) -> &str {
        self.email.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

pub const ACME_DOMAIN: &str = "acme.example";
pub const GLOBEX_DOMAIN: &str = "globex.example";

/// Everybody of Acme and Globex.
pub fn seeded() -> Vec<Person> {
    [
        (
            "acme-1001",
            "Ada",
            "Berg",
            ACME_DOMAIN,
            "Head of engineering",
            "Engineering",
            &["Engineering"][..],
        ),
        (
            "acme-1002",
            "Ben",
            "Costa",
            ACME_DOMAIN,
            "Engineer",
            "Engineering",
            &["Engineering", "Support"],
        ),
        (
            "acme-1003",
            "Chloé",
            "Dumas",
            ACME_DOMAIN,
            "Support agent",
            "Support",
            &["Support"],
        ),
        (
            "acme-1004",
            "Dai",
            "Evans",
            ACME_DOMAIN,
            "Accountant",
            "Finance",
            &[],
        ),
        (
            "globex-2001",
            "Gina",
            "Holt",
            GLOBEX_DOMAIN,
            "Platform lead",
            "Platform",
            &["Platform"],
        ),
        (
            "globex-2002",
            "Hugo",
            "Ito",
            GLOBEX_DOMAIN,
            "Analyst",
            "Finance",
            &["Finance"],
        ),
    ]
    .map(
        |(id, given_name, family_name, domain, job_title, department, groups)| Person {
            id: id.to_owned(),
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            email: format!("{}@{domain}", given_name.to_lowercase().replace('é', "e")),
            email_verified: true,
            job_title: job_title.to_owned(),
            department: department.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        },
    )
    .into()
}
