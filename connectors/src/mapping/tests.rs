use super::*;
use crate::provider;
use crate::settings::{Transform, TransformKind};

fn apply(
    mapping: &AttributeMapping,
    provider: &Provider,
    attributes: &BTreeMap<String, Vec<String>>,
) -> Mapped {
    Mapping::open(mapping).unwrap().apply(provider, attributes)
}

fn step(kind: TransformKind) -> Transform {
    Transform {
        kind,
        separator: None,
        pattern: None,
        value: None,
    }
}

fn transforming(steps: &[(&str, Vec<Transform>)]) -> AttributeMapping {
    AttributeMapping {
        custom: BTreeMap::from([("tier".to_owned(), Vec::new())]),
        transforms: steps
            .iter()
            .map(|(field, steps)| ((*field).to_owned(), steps.clone()))
            .collect(),
        ..AttributeMapping::default()
    }
}

#[test]
fn each_transform_does_what_its_name_says_in_the_order_given() {
    use TransformKind::{First, Fixed, Join, LowerCase, Regex, Split};
    let separated = |kind, separator: &str| Transform {
        separator: Some(separator.to_owned()),
        ..step(kind)
    };
    let captured = Transform {
        pattern: Some("^CN=([^,]+),".to_owned()),
        ..step(Regex)
    };
    let fixed = Transform {
        value: Some("gold".to_owned()),
        ..step(Fixed)
    };
    let mapping = transforming(&[
        ("email", vec![step(LowerCase)]),
        ("given_name", vec![separated(Join, " ")]),
        ("family_name", vec![separated(Split, " "), step(First)]),
        (
            "groups",
            vec![separated(Split, ";"), captured, step(LowerCase)],
        ),
        ("tier", vec![fixed]),
    ]);
    let sent = attributes(&[
        ("email", &["Ada@ACME.example"]),
        ("given_name", &["Ada", "Augusta"]),
        ("family_name", &["Byron King"]),
        (
            "groups",
            &[
                "CN=Staff,DC=acme;CN=Board,DC=acme",
                "nobody",
                "; CN=Ops,DC=acme",
            ],
        ),
    ]);
    let mapped = apply(&mapping, provider::find(None), &sent);
    assert_eq!(mapped.email.as_deref(), Some("ada@acme.example"));
    assert_eq!(mapped.first_name.as_deref(), Some("Ada Augusta"));
    assert_eq!(mapped.last_name.as_deref(), Some("Byron"));
    assert_eq!(mapped.groups, ["staff", "board"]);
    assert_eq!(mapped.custom["tier"], "gold");
}

#[test]
fn what_a_transform_can_not_be_is_said_for_all_of_them_at_once() {
    let pattern = |pattern: &str| Transform {
        pattern: Some(pattern.to_owned()),
        ..step(TransformKind::Regex)
    };
    let mapping = AttributeMapping {
        required: vec!["email".to_owned(), "shoe_size".to_owned()],
        ..transforming(&[
            (
                "email",
                vec![step(TransformKind::LowerCase), step(TransformKind::Split)],
            ),
            (
                "groups",
                vec![
                    pattern("("),
                    pattern("a"),
                    pattern("(a)(b)"),
                    pattern("((a{1000}){1000}){1000}"),
                ],
            ),
            ("shoe_size", vec![step(TransformKind::First)]),
            (
                "tier",
                vec![Transform {
                    value: Some("x".to_owned()),
                    ..step(TransformKind::First)
                }],
            ),
        ])
    };
    let problems = Mapping::open(&mapping).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| &*problem.field).collect();
    assert_eq!(
        fields,
        [
            "attribute_mapping.transforms.email[1]",
            "attribute_mapping.transforms.groups[0]",
            "attribute_mapping.transforms.groups[1]",
            "attribute_mapping.transforms.groups[2]",
            "attribute_mapping.transforms.groups[3]",
            "attribute_mapping.transforms.shoe_size",
            "attribute_mapping.transforms.tier[0]",
            "attribute_mapping.required[1]",
        ]
    );
}

#[test]
fn what_is_required_is_missed_by_its_name() {
    let mapping = AttributeMapping {
        required: vec!["email".to_owned(), "tier".to_owned()],
        ..transforming(&[])
    };
    let mapping = Mapping::open(&mapping).unwrap();
    let mapped =
        |pairs: &[(&str, &[&str])]| mapping.apply(provider::find(None), &attributes(pairs));
    assert_eq!(mapping.missing(&mapped(&[])), Some("email"));
    let some = mapped(&[("email", &["ada@acme.example"])]);
    assert_eq!(mapping.missing(&some), Some("tier"));
}

fn attributes(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    pairs
        .iter()
        .map(|(name, values)| {
            (
                (*name).to_owned(),
                values.iter().map(|&v| v.to_owned()).collect(),
            )
        })
        .collect()
}

fn usual(pairs: &[(&str, &[&str])]) -> Mapped {
    apply(
        &AttributeMapping::default(),
        provider::find(None),
        &attributes(pairs),
    )
}

#[test]
fn the_usual_names_of_each_world_are_found() {
    let worlds: [[(&str, &[&str]); 4]; 4] = [
        [
            ("email", &["ada@acme.example"]),
            ("given_name", &["Ada"]),
            ("family_name", &["Byron"]),
            ("groups", &["Staff"]),
        ],
        [
            ("Email", &["ada@acme.example"]),
            ("FirstName", &["Ada"]),
            ("LastName", &["Byron"]),
            ("memberOf", &["Staff"]),
        ],
        [
            (EMAIL[4], &["ada@acme.example"]),
            (FIRST_NAME[4], &["Ada"]),
            (LAST_NAME[6], &["Byron"]),
            ("http://schemas.xmlsoap.org/claims/Group", &["Staff"]),
        ],
        [
            ("urn:oid:0.9.2342.19200300.100.1.3", &["ada@acme.example"]),
            ("urn:oid:2.5.4.42", &["Ada"]),
            ("urn:oid:2.5.4.4", &["Byron"]),
            ("urn:oid:1.3.6.1.4.1.5923.1.5.1.1", &["Staff"]),
        ],
    ];
    for world in worlds {
        let mapped = usual(&world);
        assert_eq!(
            mapped.email.as_deref(),
            Some("ada@acme.example"),
            "{world:?}"
        );
        assert_eq!(mapped.name().as_deref(), Some("Ada Byron"), "{world:?}");
        assert_eq!(mapped.groups, ["Staff"], "{world:?}");
    }
}

#[test]
fn an_empty_value_counts_as_absent_and_only_xml_space_is_trimmed() {
    let mapped = usual(&[
        ("email", &["", " \r\n"]),
        ("mail", &["\t ada@acme.example\u{a0}\n"]),
    ]);
    assert_eq!(mapped.email.as_deref(), Some("ada@acme.example\u{a0}"));
}

#[test]
fn the_exact_spelling_wins_over_another_case_of_an_earlier_name() {
    let mapped = usual(&[
        ("EMAIL", &["wrong@acme.example"]),
        ("mail", &["right@acme.example"]),
    ]);
    assert_eq!(mapped.email.as_deref(), Some("right@acme.example"));
}

#[test]
fn chosen_names_replace_the_usual_ones() {
    let mapping = AttributeMapping {
        id: vec!["uid".into()],
        email: vec!["workMail".into()],
        custom: BTreeMap::from([
            ("cost_center".to_owned(), vec!["cc".to_owned()]),
            ("offices".to_owned(), vec!["office".to_owned()]),
            ("badge".to_owned(), vec!["badge".to_owned()]),
        ]),
        ..AttributeMapping::default()
    };
    let sent = attributes(&[
        ("uid", &["u-1"]),
        ("email", &["ada@acme.example"]),
        ("cc", &["42"]),
        ("office", &["Turin", "London"]),
    ]);
    let mapped = apply(&mapping, provider::find(None), &sent);
    assert_eq!((mapped.id.as_deref(), mapped.email), (Some("u-1"), None));
    let expected = serde_json::json!({"cost_center": "42", "offices": ["Turin", "London"]});
    assert_eq!(serde_json::to_value(mapped.custom).unwrap(), expected);
}

#[test]
fn groups_keep_their_order_and_come_once() {
    let mapped = usual(&[("groups", &["B", " A ", "B", ""]), ("memberOf", &["C"])]);
    assert_eq!(mapped.groups, ["B", "A"]);
}

#[test]
fn onelogin_joins_group_names_with_semicolons() {
    let sent = attributes(&[("memberOf", &["Staff;Board; "])]);
    let onelogin = provider::find(Some("onelogin"));
    assert_eq!(
        apply(&AttributeMapping::default(), onelogin, &sent).groups,
        ["Staff", "Board"]
    );
    assert_eq!(
        usual(&[("memberOf", &["Staff;Board"])]).groups,
        ["Staff;Board"]
    );
}

#[test]
fn an_external_id_comes_only_from_where_somebody_said() {
    let sent = attributes(&[("external_id", &["7"]), ("externalId", &["8"])]);
    assert_eq!(
        apply(&AttributeMapping::default(), provider::find(None), &sent).external_id,
        None
    );
    let mapping = AttributeMapping {
        external_id: vec!["externalId".to_owned()],
        ..AttributeMapping::default()
    };
    let mapped = apply(&mapping, provider::find(None), &sent);
    assert_eq!(mapped.external_id.as_deref(), Some("8"));
}

#[test]
fn a_user_principal_name_is_no_email_address() {
    let upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";
    assert_eq!(usual(&[(upn, &["ada@acme.example"])]), Mapped::default());
}
