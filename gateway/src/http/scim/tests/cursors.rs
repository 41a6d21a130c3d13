//! Pages by cursor (RFC 9865).

use super::*;

/// Every page of a list, by cursor.
async fn walk(acme: &Client, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = acme.find(&format!("{path}&cursor={cursor}")).await;
        assert_eq!(page["startIndex"], Value::Null, "{page}");
        let resources = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], resources.len());
        pages.push(
            resources
                .iter()
                .map(|r| r["id"].as_str().unwrap().to_owned())
                .collect(),
        );
        match page["nextCursor"].as_str() {
            None => return pages,
            Some(next) => {
                let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
                assert!(next.chars().all(unreserved), "{next}");
                cursor = next.to_owned();
            }
        }
        assert!(pages.len() < 50, "it never ends");
    }
}

async fn people(acme: &Client) {
    for n in 0..10 {
        let mut body = json!({"schemas": [USER], "userName": format!("user{n}")});
        // Some share a value, some have none.
        if n % 3 != 0 {
            body["title"] = format!("Title {}", n % 4).into();
        }
        acme.post("/Users", body).await.expect(201);
    }
}

#[tokio::test]
async fn cursors_show_what_index_pages_show_in_whatever_order() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    people(&acme).await;
    for sort in [
        "",
        "userName",
        "title",
        "meta.created",
        "meta.lastModified",
        "emails",
    ] {
        for order in ["ascending", "descending"] {
            let list = format!("sortBy={sort}&sortOrder={order}");
            let whole = acme.find(&format!("/Users?{list}")).await;
            let whole: Vec<String> = whole["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["id"].as_str().unwrap().to_owned())
                .collect();
            let pages = walk(&acme, &format!("/Users?{list}&count=3")).await;
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
            assert_eq!(pages.concat(), whole, "{list}");
        }
    }
    let pages = walk(&acme, "/Users?count=5").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5]);
}

#[tokio::test]
async fn who_goes_back_sees_the_same_pages() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    people(&acme).await;
    let names = |page: &Value| -> Vec<String> {
        let resources = page["Resources"].as_array().unwrap().iter();
        resources
            .map(|r| r["userName"].as_str().unwrap().to_owned())
            .collect()
    };
    for sort in ["", "userName", "title", "meta.created", "emails"] {
        for order in ["ascending", "descending"] {
            let list = format!("/Users?sortBy={sort}&sortOrder={order}&count=3");
            let (mut forth, mut cursor) = (Vec::new(), String::new());
            let mut page;
            loop {
                page = acme.find(&format!("{list}&cursor={cursor}")).await;
                let first = forth.is_empty();
                assert_eq!(page["previousCursor"].is_null(), first, "{list}");
                forth.push(names(&page));
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            let mut back = vec![names(&page)];
            while let Some(previous) = page["previousCursor"].as_str() {
                page = acme.find(&format!("{list}&cursor={previous}")).await;
                assert_eq!(page["totalResults"], 10);
                back.push(names(&page));
            }
            back.reverse();
            assert_eq!(back, forth, "{list}");
            // And forth again.
            let next = page["nextCursor"].as_str().unwrap();
            let second = acme.find(&format!("{list}&cursor={next}")).await;
            assert_eq!(names(&second), forth[1], "{list}");
        }
    }
    for n in 0..5 {
        acme.group(&format!("Group {n}"), &[]).await;
    }
    let list = "/Groups?sortBy=displayName&count=2";
    let first = acme.find(&format!("{list}&cursor=")).await;
    let next = first["nextCursor"].as_str().unwrap();
    let second = acme.find(&format!("{list}&cursor={next}")).await;
    let previous = second["previousCursor"].as_str().unwrap();
    // A page that was read grows at its end, where the newcomer belongs.
    acme.group("Group 05", &[]).await;
    let again = acme.find(&format!("{list}&cursor={previous}")).await;
    let shown: Vec<&Value> = again["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| &g["displayName"])
        .collect();
    assert_eq!(shown, ["Group 05", "Group 1"]);
    assert!(again["previousCursor"].is_string());
    // It opens no other list.
    let refused = acme
        .get(&format!("/Groups?count=2&cursor={previous}"))
        .await
        .expect(400);
    assert_eq!(refused.json["scimType"], "invalidCursor");
    let all = acme.find("?count=3&cursor=").await;
    let next = all["nextCursor"].as_str().unwrap();
    let all = acme.find(&format!("?count=3&cursor={next}")).await;
    assert_eq!(all["previousCursor"], Value::Null);
}

#[tokio::test]
async fn a_cursor_page_is_not_shifted_by_writers() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    people(&acme).await;
    let list = "/Users?sortBy=userName&count=4";
    let first = acme.find(&format!("{list}&cursor=")).await;
    assert_eq!(first["totalResults"], 10);
    for gone in ["0", "3"] {
        let id = first["Resources"][gone.parse::<usize>().unwrap()]["id"]
            .as_str()
            .unwrap();
        acme.delete(&format!("/Users/{id}")).await.expect(204);
    }
    acme.user("a newcomer before").await;
    acme.user("user35").await;
    let next = first["nextCursor"].as_str().unwrap();
    let second = acme.find(&format!("{list}&cursor={next}")).await;
    let names: Vec<&str> = second["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["userName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["user35", "user4", "user5", "user6"]);
    assert_eq!(second["totalResults"], 10);
}

#[tokio::test]
async fn users_and_groups_follow_each_other() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    for n in 0..4 {
        acme.user(&format!("user{n}")).await;
        acme.group(&format!("group{n}"), &[]).await;
    }
    for count in [1, 2, 3, 4, 7] {
        let pages = walk(&acme, &format!("?count={count}")).await;
        assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 8, "{pages:?}");
        let all = pages.concat();
        assert!(all[..4].iter().all(|id| id.starts_with("dusr_")), "{all:?}");
        assert!(all[4..].iter().all(|id| id.starts_with("grp_")), "{all:?}");
    }
    let search = json!({"count": 3, "cursor": "", "sortBy": "displayName"});
    let page = acme.post("/Groups/.search", search).await.expect(200).json;
    assert_eq!(page["Resources"].as_array().unwrap().len(), 3);
    let search = json!({"count": 3, "cursor": page["nextCursor"], "sortBy": "displayName"});
    let page = acme.post("/Groups/.search", search).await.expect(200).json;
    assert_eq!(page["Resources"][0]["displayName"], "group3");
    assert_eq!(page["nextCursor"], Value::Null);
}

#[tokio::test]
async fn a_cursor_opens_its_own_list_and_no_other() {
    let gateway = Gateway::start().await;
    let (acme, globex) = (gateway.directory().await, gateway.directory().await);
    let sister = gateway.directory_in(acme.organization, None).await;
    for directory in [&acme, &globex, &sister] {
        people(directory).await;
    }
    let page = acme.find("/Users?count=2&sortBy=userName&cursor=").await;
    let next = page["nextCursor"].as_str().unwrap();
    let list = format!("/Users?count=2&sortBy=userName&cursor={next}");
    acme.get(&list).await.expect(200);
    let flipped = format!("{list}x");
    for (who, path) in [
        (&globex, list.as_str()),
        (&sister, &list),
        (&acme, &list.replace("userName", "title")),
        (&acme, &format!("{list}&sortOrder=descending")),
        (&acme, &format!("{list}&filter=active%20pr")),
        (
            &acme,
            &list
                .replace("/Users", "/Groups")
                .replace("sortBy=userName&", ""),
        ),
        (&acme, &flipped),
        (&acme, "/Users?cursor=nonsense"),
    ] {
        let refused = who.get(path).await.expect(400);
        assert_eq!(refused.json["scimType"], "invalidCursor", "{path}");
    }
    for count in ["0", "-1", "1001", "many"] {
        let refused = acme
            .get(&format!("/Users?cursor=&count={count}"))
            .await
            .expect(400);
        assert_eq!(refused.json["scimType"], "invalidCount", "{count}");
    }
    let list = json!([acme.directory.to_string(), "User", null, null, false]).to_string();
    let old = json!({"expires_at": 1, "in_groups": false, "after": null}).to_string();
    let place = ("scim_lists", "cursor", list.as_str());
    let (db, organization) = (acme.app.store.read(), &acme.organization);
    let old = acme
        .app
        .vault
        .seal(&db, organization, place, old.as_bytes())
        .await
        .unwrap();
    let expired = acme.get(&format!("/Users?cursor={old}")).await.expect(400);
    assert_eq!(
        expired.json["scimType"], "expiredCursor",
        "{}",
        expired.json
    );
    let published = acme.find("/ServiceProviderConfig").await["pagination"].clone();
    assert_eq!(published["cursor"], true);
    assert_eq!(published["defaultPaginationMethod"], "index");
    assert_eq!(published["cursorTimeout"], 3_600);
}
