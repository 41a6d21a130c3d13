use super::*;

fn query(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
    ListQuery::from_parameters(parameters.iter().copied())
}

#[test]
fn paging_is_corrected_rather_than_refused() {
    let page = |start: &str, number: &str| {
        let query = query(&[("startIndex", start), ("count", number)]).unwrap();
        (query.start_index, query.count)
    };
    assert_eq!(page("", ""), (1, DEFAULT_PAGE_SIZE));
    assert_eq!(page("0", "0"), (1, 0));
    assert_eq!(page("-5", "-5"), (1, 0));
    assert_eq!(page("7", "5000"), (7, MAX_PAGE_SIZE));
    let huge = "99999999999999999999999";
    assert_eq!(page(huge, huge), (i64::MAX as usize, MAX_PAGE_SIZE));
    assert_eq!(page(&format!("-{huge}"), "1"), (1, 1));
    for wrong in ["x", "1.5", "1e3", "-", "0x10"] {
        assert!(query(&[("count", wrong)]).is_err() && query(&[("startIndex", wrong)]).is_err());
    }
}

#[test]
fn unknown_parameters_are_ignored() {
    let query = query(&[
        ("aadOptscim062020", ""),
        ("filter", " "),
        ("sortorder", "Descending"),
    ]);
    let query = query.unwrap();
    assert_eq!(
        (query.filter, query.sort_order),
        (None, SortOrder::Descending)
    );
}

#[test]
fn a_search_body_says_the_same_as_parameters() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "attributes": ["userName", "emails"],
        "filter": "userName pr",
        "sortBy": "userName",
        "sortOrder": "descending",
        "startIndex": 3,
        "count": 5,
        "cursor": null
    });
    let parameters = query(&[
        ("attributes", "userName,emails"),
        ("filter", "userName pr"),
        ("sortBy", "userName"),
        ("sortOrder", "descending"),
        ("startIndex", "3"),
        ("count", "5"),
    ]);
    assert_eq!(
        ListQuery::from_search_request(&body).unwrap(),
        parameters.unwrap()
    );
    assert_eq!(
        ListQuery::from_search_request(&json!({})).unwrap(),
        ListQuery::default()
    );
    for wrong in [
        json!([]),
        json!({"filter": 1}),
        json!({"count": "x"}),
        json!({"attributes": [1]}),
    ] {
        assert!(ListQuery::from_search_request(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn only_single_values_can_be_sorted_by() {
    let sort = |name| query(&[("sortBy", name)]).unwrap().sort(ResourceType::User);
    assert_eq!(
        sort("emails").unwrap().unwrap().path.to_string(),
        "emails.value"
    );
    assert_eq!(
        sort("name.FamilyName").unwrap().unwrap().path.to_string(),
        "name.familyName"
    );
    for name in ["name", "salary", "password", "addresses"] {
        assert_eq!(
            sort(name).unwrap_err().scim_type().unwrap().as_str(),
            "invalidPath",
            "{name}"
        );
    }
}

#[test]
fn no_value_sorts_last_ascending_and_first_descending() {
    let users = [
        json!({"id": "1", "emails": [{"value": "z@x"}, {"value": "b@x", "primary": true}]}),
        json!({"id": "2"}),
        json!({"id": "3", "emails": [{"value": "A@x"}]}),
    ];
    let sorted = |order| {
        let query = query(&[("sortBy", "emails"), ("sortOrder", order)]).unwrap();
        let sort = query.sort(ResourceType::User).unwrap().unwrap();
        let mut users: Vec<_> = users
            .iter()
            .map(|u| u.as_object().unwrap().clone())
            .collect();
        users.sort_by(|a, b| sort.compare(a, b));
        users
            .iter()
            .map(|u| u["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(sorted("ascending"), ["3", "1", "2"]);
    assert_eq!(sorted("descending"), ["2", "1", "3"]);
}

#[test]
fn a_page_counts_what_it_holds() {
    let page = ListResponse::page(9, 4, vec![json!({"id": "1"})]).into_json();
    assert_eq!(
        page,
        json!({
            "schemas": [LIST_RESPONSE_URN],
            "totalResults": 9,
            "startIndex": 4,
            "itemsPerPage": 1,
            "Resources": [{"id": "1"}]
        })
    );
}
