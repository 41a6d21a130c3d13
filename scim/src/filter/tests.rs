use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::schema::{ENTERPRISE_USER, GROUP, Kind, USER};

fn ada() -> Map<String, Value> {
    let user = json!({
        "id": "dusr_1",
        "externalId": "X1",
        "userName": "Ada@Example.com",
        "name": {"familyName": "Lovelace", "givenName": "Ada \"Countess\""},
        "title": "50%_off [and] (not) Åse",
        "active": true,
        "emails": [
            {"value": "ada@work.example", "type": "work", "primary": true},
            {"value": "ada@home.example", "type": "home", "primary": false}
        ],
        "groups": [{"value": "grp_1", "display": "Engines"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
            {"department": "R&D", "manager": {"value": "dusr_2"}},
        "meta": {"created": "2026-11-22T09:30:00.123Z", "lastModified": "2026-11-22T09:30:00.123Z"}
    });
    user.as_object().unwrap().clone()
}

fn matches(filter: &str) -> bool {
    match Filter::parse(ResourceType::User, filter, &Default::default()) {
        Ok(filter) => filter.matches(&ada()),
        Err(error) => panic!("{filter}: {error}"),
    }
}

fn refused(filter: &str) -> &'static str {
    let error = Filter::parse(ResourceType::User, filter, &Default::default()).expect_err(filter);
    error.scim_type().unwrap().as_str()
}

#[test]
fn text_compares_by_the_case_rule_of_its_attribute() {
    for filter in [
        r#"userName eq "ada@example.COM""#,
        r#"USERNAME EQ "ADA@example.com""#,
        r#"userName sw "ADA""#,
        r#"userName ew ".com" and userName co "@""#,
        r#"externalId eq "X1""#,
        r#"userName gt "Aca" and userName le "ada@example.com""#,
        r#"title co "ÅSE""#,
        r#"userName ne "bob""#,
        r#"nickName ne "bob""#,
    ] {
        assert!(matches(filter), "{filter}");
    }
    for filter in [
        r#"externalId eq "x1""#,
        r#"id eq "DUSR_1""#,
        r#"nickName eq "bob""#,
        "nickName pr",
    ] {
        assert!(!matches(filter), "{filter}");
    }
}

#[test]
fn not_binds_before_and_and_and_before_or() {
    assert!(matches(
        r#"userName pr or userName eq "x" and userName eq "y""#
    ));
    assert!(!matches(
        r#"(userName pr or userName eq "x") and userName eq "y""#
    ));
    assert!(matches(r#"not (userName eq "x") and active eq true"#));
    assert!(!matches(r#"not(userName eq "x" or active eq true)"#));
    assert!(matches(r#"not (not (not (nickName pr)))"#));
}

#[test]
fn brackets_ask_for_one_element_and_dots_for_any() {
    assert!(!matches(r#"emails[type eq "work" and value co "home"]"#));
    assert!(matches(
        r#"emails.type eq "work" and emails.value co "home""#
    ));
    assert!(matches(
        r#"emails[type eq "home" and not (primary eq true)]"#
    ));
    assert!(matches(
        r#"emails[type eq "work"].value eq "ADA@work.example""#
    ));
    assert!(!matches(
        r#"emails[type eq "home"].value eq "ada@work.example""#
    ));
    assert!(matches(
        r#"emails[type eq "work" or type eq "x"] and userName pr"#
    ));
    assert!(matches(r#"name[familyName eq "lovelace"]"#));
}

#[test]
fn a_complex_attribute_stands_for_its_value() {
    assert!(matches(r#"emails eq "ada@home.example""#));
    assert!(matches(r#"emails co "work.example""#));
    assert!(matches("emails pr and name pr"));
    assert!(matches(
        r#"groups eq "grp_1" and groups.display eq "engines""#
    ));
    let urn = ENTERPRISE_USER.urn;
    assert!(matches(&format!(r#"{urn}:manager eq "dusr_2""#)));
    assert!(matches(&format!(
        r#"{}:department eq "r&d""#,
        urn.to_uppercase()
    )));
    assert_eq!(refused(r#"name eq "Ada""#), "invalidFilter");
    let filter = Filter::parse(
        ResourceType::Group,
        r#"id eq "g" and members eq "u""#,
        &Default::default(),
    )
    .unwrap();
    let group = json!({"id": "g", "members": [{"value": "u"}]});
    assert!(filter.matches(group.as_object().unwrap()));
    assert_eq!(filter.to_string(), r#"id eq "g" and members.value eq "u""#);
}

#[test]
fn strings_are_json_and_what_is_in_them_is_data() {
    assert!(matches(r#"name.givenName eq "Ada \"Countess\"""#));
    assert!(matches(r#"title co "\u00c5se""#));
    assert!(matches(r#"title co "[and] (not)""#));
    assert!(matches(r#"title sw "50%_" and not (title sw "%")"#));
    assert_eq!(refused(r#"title eq "a\x""#), "invalidFilter");
    assert_eq!(refused(r#"title eq "open"#), "invalidFilter");
    assert_eq!(refused(r#"title eq "nul\u0000""#), "invalidFilter");
}

#[test]
fn times_compare_as_instants() {
    assert!(matches(r#"meta.created eq "2026-11-22T09:30:00.123Z""#));
    assert!(matches(
        r#"meta.created eq "2026-11-22T10:30:00.1230+01:00""#
    ));
    assert!(matches(r#"meta.lastModified gt "2026-11-22T09:30:00Z""#));
    assert!(!matches(r#"meta.lastModified lt "2026-11-22T09:30:00Z""#));
    assert_eq!(refused(r#"meta.created gt "yesterday""#), "invalidFilter");
    assert_eq!(refused(r#"meta.created co "2026""#), "invalidFilter");
    for outside in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
        let filter = format!("meta.created eq \"{outside}\"");
        assert_eq!(refused(&filter), "invalidFilter", "{outside}");
    }
}

#[test]
fn booleans_may_be_text_but_have_no_order() {
    assert!(matches("active eq true and active eq TRUE"));
    assert!(matches(r#"emails[primary eq "True"]"#));
    assert!(matches("active ne false"));
    for filter in [
        "active gt true",
        "active co true",
        r#"active eq "yes""#,
        "active eq 1",
    ] {
        assert_eq!(refused(filter), "invalidFilter", "{filter}");
    }
}

#[test]
fn null_means_without_a_value() {
    assert!(matches("nickName eq null and userName ne null"));
    assert!(!matches("emails eq null"));
    assert_eq!(refused("userName gt null"), "invalidFilter");
}

#[test]
fn an_unknown_attribute_is_refused_and_a_password_is_one() {
    for filter in [
        r#"salary eq "1""#,
        r#"password sw "a""#,
        "password pr",
        r#"urn:ietf:params:scim:schemas:core:2.0:User:password pr"#,
        r#"emails.salary eq "1""#,
        r#"emails[salary eq "1"]"#,
        r#"department eq "R&D""#,
        r#"urn:acme:2.0:User:tag eq "1""#,
    ] {
        assert_eq!(refused(filter), "invalidFilter", "{filter}");
    }
}

#[test]
fn bad_grammar_is_refused() {
    for filter in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName is \"x\"",
        "userName eq x",
        "userName eq 'x'",
        "userName eq 1",
        "userName eq {}",
        "userName eq \"x\" and",
        "userName eq \"x\" \"y\"",
        "userName eq \"x\" nand active pr",
        "(userName pr",
        "userName pr)",
        "not userName pr",
        "emails[type eq \"work\"",
        "emails[type eq \"work\"]]",
        "emails[emails[type pr]]",
        "emails[]",
        "emails[type eq \"work\"].salary pr",
        "userName[value pr]",
        "emails.value[type pr]",
        "and",
    ] {
        assert_eq!(refused(filter), "invalidFilter", "{filter}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth| format!("{}userName pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(
        Filter::parse(
            ResourceType::User,
            &nested(MAX_DEPTH - 1),
            &Default::default()
        )
        .is_ok()
    );
    assert_eq!(refused(&nested(MAX_DEPTH)), "invalidFilter");
    assert_eq!(refused(&nested(4_000)), "invalidFilter");
    let many = |number| vec!["userName pr"; number].join(" or ");
    assert!(
        Filter::parse(
            ResourceType::User,
            &many(MAX_COMPARISONS),
            &Default::default()
        )
        .is_ok()
    );
    assert_eq!(refused(&many(MAX_COMPARISONS + 1)), "tooMany");
    assert_eq!(
        refused(&format!("userName eq \"{}\"", "a".repeat(MAX_LENGTH))),
        "invalidFilter"
    );
}

/// Every path that a filter can compare.
fn paths(element: bool) -> Vec<AttributePath> {
    let mut all = Vec::new();
    for (resource_type, schema) in [
        (ResourceType::User, &USER),
        (ResourceType::User, &ENTERPRISE_USER),
        (ResourceType::Group, &GROUP),
        (ResourceType::User, &crate::schema::COMMON),
    ] {
        if resource_type == ResourceType::Group {
            continue;
        }
        for attribute in schema.attributes.iter().filter(|a| a.name != "password") {
            let path = AttributePath {
                schema,
                attribute,
                sub: None,
            };
            if !element && !attribute.is_complex() {
                all.push(path);
            }
            all.extend(
                attribute
                    .sub_attributes
                    .iter()
                    .map(|sub| path.with_sub(Some(sub))),
            );
        }
    }
    all
}

fn comparison(path: AttributePath) -> BoxedStrategy<Filter> {
    let equality = prop_oneof![
        Just(CompareOperator::Equal),
        Just(CompareOperator::NotEqual)
    ];
    let compared = |operator: BoxedStrategy<CompareOperator>, value: BoxedStrategy<Literal>| {
        (operator, value)
            .prop_map(move |(operator, value)| Filter::Compare {
                path,
                operator,
                value,
            })
            .boxed()
    };
    let text = "[^\u{0}]{0,12}".prop_map(Literal::Text).boxed();
    let compare = match path.leaf().kind {
        Kind::Boolean => compared(
            equality.boxed(),
            any::<bool>().prop_map(Literal::Boolean).boxed(),
        ),
        Kind::DateTime => {
            let instant = (0i64..4_000_000_000_000)
                .prop_map(|ms| Literal::Instant(DateTime::from_timestamp_millis(ms).unwrap()));
            let ordered = proptest::sample::select(vec![
                CompareOperator::Equal,
                CompareOperator::NotEqual,
                CompareOperator::Greater,
                CompareOperator::GreaterOrEqual,
                CompareOperator::Less,
                CompareOperator::LessOrEqual,
            ]);
            compared(ordered.boxed(), instant.boxed())
        }
        Kind::Binary => compared(equality.boxed(), text),
        _ => compared(
            proptest::sample::select(CompareOperator::ALL.to_vec()).boxed(),
            text,
        ),
    };
    prop_oneof![4 => compare, 1 => Just(Filter::Present(path))].boxed()
}

fn tree(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        let branches = proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            branches.clone().prop_map(Filter::And),
            branches.prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
    .boxed()
}

fn element() -> BoxedStrategy<Filter> {
    let holders: Vec<AttributePath> = paths(true)
        .into_iter()
        .map(|path| path.with_sub(None))
        .collect();
    proptest::sample::select(holders)
        .prop_flat_map(|path| {
            let subs: Vec<_> = path.attribute.sub_attributes.iter().collect();
            let sub = proptest::sample::select(subs)
                .prop_flat_map(move |sub| comparison(path.with_sub(Some(sub))));
            tree(sub.boxed()).prop_map(move |filter| Filter::Element {
                path,
                filter: Box::new(filter),
            })
        })
        .boxed()
}

fn filters() -> BoxedStrategy<Filter> {
    let plain = proptest::sample::select(paths(false)).prop_flat_map(comparison);
    tree(prop_oneof![3 => plain, 1 => element()].boxed())
}

proptest! {
    #[test]
    fn a_printed_filter_parses_to_the_same_tree(filter in filters()) {
        let printed = filter.to_string();
        match Filter::parse(ResourceType::User, &printed, &Default::default()) {
            Ok(parsed) => prop_assert_eq!(parsed, filter, "{}", printed),
            Err(ScimError::FilterTooLarge { .. }) => {}
            Err(error) => prop_assert!(printed.len() > MAX_LENGTH, "{}: {}", error, printed),
        }
    }

    #[test]
    fn whatever_is_written_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = Filter::parse(ResourceType::User, &text, &Default::default());
    }

    #[test]
    fn filter_like_text_is_read_or_refused(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "userName", "emails", "eq", "pr", "and", "or", "not", "(", ")", "[", "]", ".value",
            "\"x\"", "\"", "true", "null", " ", "type", "\\",
        ]), 0..20)
    ) {
        let text = words.join(" ");
        if let Ok(filter) = Filter::parse(ResourceType::User, &text, &Default::default()) {
            let printed = filter.to_string();
            prop_assert_eq!(Filter::parse(ResourceType::User, &printed, &Default::default()).unwrap(), filter);
        }
    }
}
