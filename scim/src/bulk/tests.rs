use serde_json::{Value, json};

use super::*;

fn request(operations: Value) -> BulkRequest {
    BulkRequest::parse(&json!({"Operations": operations}), 10).unwrap()
}

fn group(bulk_id: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members
        .iter()
        .map(|id| json!({"value": format!("bulkId:{id}")}))
        .collect();
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id,
        "data": {"displayName": bulk_id, "members": members}})
}

fn order(operations: Value) -> Vec<String> {
    let steps = request(operations).plan().into_iter();
    let name = |step| match step {
        Step::Do { operation, without } if without.is_empty() => operation.to_string(),
        Step::Do { operation, without } => format!("{operation} without {without:?}"),
        Step::Complete { operation } => format!("complete {operation}"),
    };
    steps.map(name).collect()
}

#[test]
fn what_is_referred_to_comes_first_and_all_else_stays() {
    let delete = json!({"method": "DELETE", "path": "/Users/x"});
    let operations = json!([
        delete,
        group("a", &["c"]),
        group("b", &[]),
        group("c", &["d"]),
        group("d", &[])
    ]);
    assert_eq!(order(operations), ["0", "4", "3", "1", "2"]);
}

#[test]
fn a_circle_is_opened_once_and_closed_again() {
    let operations = json!([
        group("a", &["b"]),
        group("b", &["c"]),
        group("c", &["a", "nobody"])
    ]);
    assert_eq!(
        order(operations),
        ["2 without {\"a\"}", "1", "0", "complete 2"]
    );
    let own = json!([group("a", &["a"])]);
    assert_eq!(order(own), ["0 without {\"a\"}", "complete 0"]);
}

#[test]
fn a_creation_in_a_circle_is_split_in_two() {
    let operation = request(json!([{
        "method": "post", "path": "/Users", "bulkId": "ada",
        "data": {"userName": "ada", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
            {"department": "R&D", "manager": {"value": "bulkId:ben"}}}
    }]));
    let left_out = ["ben".to_owned()].into();
    let (first, later) = operation.operations[0].without(&left_out).unwrap();
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert_eq!(first.data.unwrap()[urn], json!({"department": "R&D"}));
    assert_eq!(
        later["Operations"][0]["value"],
        json!({"value": "bulkId:ben"})
    );
}

#[test]
fn references_are_replaced_where_ids_stand_and_nowhere_else() {
    let mut resolved = Resolved::default();
    resolved.insert("ada", "dusr_1");
    resolved.insert("team", "grp_1");
    let data = json!({"displayName": "bulkId:ada", "Operations": [
        {"op": "remove", "path": "members[value eq \"bulkId:ada\"]"},
        {"op": "add", "path": "members", "value": [{"value": "bulkId:ada", "$ref": "../Users/bulkId:ada"}]},
        {"op": "add", "value": {"urn:x:User:manager": "bulkId:ada"}}
    ]});
    let (path, data) = resolved
        .resolve("/Groups/bulkId:team", Some(&data))
        .unwrap();
    assert_eq!(path, "/Groups/grp_1");
    assert_eq!(
        data,
        json!({"displayName": "bulkId:ada", "Operations": [
            {"op": "remove", "path": "members[value eq \"dusr_1\"]"},
            {"op": "add", "path": "members", "value": [{"value": "dusr_1", "$ref": "../Users/dusr_1"}]},
            {"op": "add", "value": {"urn:x:User:manager": "dusr_1"}}
        ]})
    );
    let unknown = json!({"members": ["bulkId:eve"]});
    assert_eq!(
        resolved.resolve("/Groups", Some(&unknown)),
        Err("eve".to_owned())
    );
}

#[test]
fn what_is_no_bulk_request_is_refused_as_a_whole() {
    let parse = |body: Value| BulkRequest::parse(&body, 2).unwrap_err().code();
    let delete = json!({"method": "DELETE", "path": "/Users/x"});
    assert_eq!(parse(json!([])), "syntax_invalid");
    assert_eq!(parse(json!({"schemas": []})), "syntax_invalid");
    assert_eq!(parse(json!({"Operations": [7]})), "syntax_invalid");
    assert_eq!(
        parse(json!({"Operations": [], "failOnErrors": 0})),
        "value_invalid"
    );
    assert_eq!(
        parse(json!({"Operations": [delete, delete, delete]})),
        "limit_exceeded"
    );
    assert_eq!(
        parse(json!({"Operations": [group("a", &[]), group("a", &[])]})),
        "value_invalid"
    );
}

#[test]
fn what_is_wrong_with_an_operation_is_its_own_affair() {
    for (operation, code) in [
        (
            json!({"method": "POST", "path": "/Users", "data": {}}),
            "required_missing",
        ),
        (
            json!({"method": "PUT", "path": "/Users/x"}),
            "required_missing",
        ),
        (
            json!({"method": "GET", "path": "/Users/x"}),
            "value_invalid",
        ),
        (
            json!({"method": "DELETE", "path": "https://x.example/Users/x"}),
            "value_invalid",
        ),
        (
            json!({"method": "DELETE", "path": "//x.example/Users/x"}),
            "value_invalid",
        ),
        (json!({"path": "/Users/x"}), "value_invalid"),
    ] {
        let request = request(json!([operation]));
        assert_eq!(
            request.operations[0].check().unwrap_err().code(),
            code,
            "{operation}"
        );
    }
}
