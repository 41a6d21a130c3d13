//! Values in the form in which filters and sorting compare them, for whoever keeps them in an index: so a
//! database that compares bytes gives the answers of [`Filter::matches`](crate::Filter::matches).

use serde_json::{Map, Value};

use crate::filter::Literal;
use crate::resource::{AttributePath, ResourceType, fold, timestamp};
use crate::schema::Attribute;

/// One value of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparableValue {
    pub path: AttributePath,
    /// Counts the elements of a multi-valued attribute from 0, the primary one first.
    pub element: usize,
    /// Text is folded unless the attribute is `case_exact`; booleans are `true` and `false`. Empty for an
    /// element of a complex attribute as such, whose parts are values of their own.
    pub text: String,
}

/// The values of everything that a directory set, below published schemas.
pub(crate) fn values(
    resource_type: ResourceType,
    attributes: &Map<String, Value>,
) -> Vec<ComparableValue> {
    let mut values = Vec::new();
    for path in resource_type.attributes() {
        let mut elements: Vec<&Value> = path.values(attributes).iter().collect();
        // The sort is stable: behind the primary element, the others stay in order.
        elements.sort_by_key(|element| element.get("primary") != Some(&Value::Bool(true)));
        for (element, value) in elements.into_iter().enumerate() {
            let mut push = |path: AttributePath, text: String| {
                values.push(ComparableValue {
                    path,
                    element,
                    text,
                });
            };
            if !path.attribute.is_complex() {
                if let Some(text) = comparable(path.attribute, value) {
                    push(path, text);
                }
                continue;
            }
            push(path, String::new());
            for sub in path.attribute.sub_attributes {
                if let Some(text) = value.get(sub.name).and_then(|part| comparable(sub, part)) {
                    push(path.with_sub(Some(sub)), text);
                }
            }
        }
    }
    values
}

fn comparable(attribute: &Attribute, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if attribute.case_exact => Some(text.clone()),
        Value::String(text) => Some(fold(text)),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

impl Literal {
    /// The literal as it compares with values of this path.
    pub fn comparable(&self, path: &AttributePath) -> String {
        match self {
            Self::Text(text) if path.leaf().case_exact => text.clone(),
            Self::Text(text) => fold(text),
            Self::Boolean(value) => value.to_string(),
            Self::Instant(at) => timestamp(*at),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Filter, Literal, ResourceType, User};

    #[test]
    fn every_value_is_listed_as_it_compares() {
        let user = User::parse(
            &json!({
                "userName": "Ada@X.example",
                "externalId": "X1",
                "emails": [
                    {"value": "B@x.example"},
                    {"value": "A@x.example", "type": "Work", "primary": true}
                ],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                    {"department": "R&D", "manager": "dusr_M"},
                "urn:acme:1.0:User": {"badge": "9"}
            }),
            &Default::default(),
        )
        .unwrap();
        let listed: Vec<String> = user
            .comparable_values()
            .into_iter()
            .map(|v| format!("{}#{}={}", v.path, v.element, v.text))
            .collect();
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let expected = [
            "externalId#0=X1".to_owned(),
            "userName#0=ada@x.example".to_owned(),
            "active#0=true".to_owned(),
            "emails#0=".to_owned(),
            "emails.value#0=a@x.example".to_owned(),
            "emails.type#0=work".to_owned(),
            "emails.primary#0=true".to_owned(),
            "emails#1=".to_owned(),
            "emails.value#1=b@x.example".to_owned(),
            format!("{urn}:department#0=r&d"),
            format!("{urn}:manager#0="),
            format!("{urn}:manager.value#0=dusr_M"),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_literal_compares_in_the_same_form() {
        let literal = |text: &str| match Filter::parse(
            ResourceType::User,
            text,
            &Default::default(),
        )
        .unwrap()
        {
            Filter::Compare { path, value, .. } => value.comparable(&path),
            other => panic!("{other}"),
        };
        assert_eq!(literal(r#"userName eq "ADA""#), "ada");
        assert_eq!(literal(r#"externalId eq "X1""#), "X1");
        assert_eq!(literal("active eq TRUE"), "true");
        let noon = literal(r#"meta.created eq "2026-11-22T12:00:00+02:00""#);
        assert_eq!(noon, "2026-11-22T10:00:00.000Z");
        assert_eq!(Literal::Boolean(false).to_string(), "false");
    }
}
