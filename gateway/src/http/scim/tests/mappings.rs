//! What becomes of a role mapping when its groups go.

use super::*;
use crate::error::Error;
use crate::flows::directories as directories_flow;
use crate::flows::role_mappings as flow;
use crate::flows::roles;
use crate::store::{users, users::UserFilter};

impl Client {
    fn source(&self) -> RoleSource {
        RoleSource::Directory(self.directory)
    }

    async fn mapping(&self) -> Vec<RoleMapping> {
        let db = self.app.store.read();
        let rows = role_mappings::of_source(&db, &self.organization, self.source()).await;
        rows.unwrap()
    }

    /// As the management API does it.
    async fn put_mapping(&self, rows: Vec<RoleMapping>) -> Result<(), Error> {
        let tx = self.app.store.begin().await?;
        let show = |rows: Vec<RoleMapping>| json!({"mappings": format!("{rows:?}")});
        let (scope, cause) = (&self.organization, Cause::system("test"));
        let _: Value = flow::replace(&tx, scope, self.source(), rows, show, &cause).await?;
        Ok(tx.commit().await?)
    }

    /// Roles of the user with this name, each with its source.
    async fn role_sources(&self, name: &str) -> Vec<(String, String)> {
        let db = self.app.store.read();
        let all = users::list(&db, &self.organization, &UserFilter::default(), None, 100).await;
        let all = all.unwrap().into_iter();
        let user = all.filter(|user| user.user_name.as_deref() == Some(name));
        let sources = user.flat_map(|user| user.role_sources);
        sources.map(|role| (role.role, role.source)).collect()
    }
}

fn by_id(group: &str, role: &str) -> RoleMapping {
    RoleMapping {
        group_id: Some(group.parse().unwrap()),
        group_name: None,
        role: role.to_owned(),
    }
}

fn by_name(name: &str, role: &str) -> RoleMapping {
    RoleMapping {
        group_id: None,
        group_name: Some(name.to_owned()),
        role: role.to_owned(),
    }
}

fn role(role: &str, source: &str) -> (String, String) {
    (role.to_owned(), source.to_owned())
}

#[tokio::test]
async fn a_deleted_group_leaves_the_mapping_and_what_is_read_of_it_can_be_put_back() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 10).await;
    gateway.role("member", 1).await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let admins = acme.group("Admins", &[&ada]).await;
    let staff = acme.group("Staff", &[&ada]).await;
    let whole = vec![
        by_id(&admins, "admin"),
        by_name("Admins", "member"),
        by_id(&staff, "member"),
        by_id(&admins, "member"),
    ];
    acme.put_mapping(whole.clone()).await.unwrap();
    let (of_admins, of_staff) = (role("member", &admins), role("member", &staff));
    let mut all = vec![role("admin", &admins), of_admins, of_staff.clone()];
    all.sort();
    assert_eq!(acme.role_sources("ada").await, all);

    let before = acme.events().await.len();
    acme.delete(&format!("/Groups/{admins}")).await.expect(204);
    assert_eq!(acme.role_sources("ada").await, [of_staff]);
    // The name stays mapped, for another group of that name.
    let left = [by_name("Admins", "member"), by_id(&staff, "member")];
    assert_eq!(acme.mapping().await, left);
    let events = acme.events().await.split_off(before);
    let types: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        types,
        [
            "group.deleted",
            "user.roles_changed",
            "role_mapping.updated"
        ]
    );
    let told = &events[2]["data"];
    assert_eq!(told["actor"]["kind"], "directory");
    assert_eq!(told["object"]["mappings"].as_array().unwrap().len(), 2);
    assert_eq!(told["previous"]["mappings"].as_array().unwrap().len(), 4);

    acme.put_mapping(acme.mapping().await).await.unwrap();
    assert!(matches!(
        acme.put_mapping(whole).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(acme.mapping().await, left);
    // A group that no row names by its id changes no mapping.
    let other = acme.group("Admins", &[&ada]).await;
    assert!(
        acme.role_sources("ada")
            .await
            .contains(&role("member", &other))
    );
    let before = acme.events().await.len();
    acme.delete(&format!("/Groups/{other}")).await.expect(204);
    let types = acme.event_types().await.split_off(before);
    assert_eq!(types, ["group.deleted", "user.roles_changed"]);
    assert_eq!(acme.mapping().await, left);
}

#[tokio::test]
async fn a_mapping_put_while_its_group_is_deleted_names_no_group_that_is_gone() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 10).await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    for round in 0..12 {
        let group = acme.group(&format!("Group {round}"), &[&ada]).await;
        let path = format!("/Groups/{group}");
        let mapping = vec![by_id(&group, "admin")];
        let (deleted, put) = tokio::join!(acme.delete(&path), acme.put_mapping(mapping));
        deleted.expect(204);
        assert!(
            matches!(&put, Ok(()) | Err(Error::Invalid(_))),
            "{round}: {put:?}"
        );
        assert_eq!(acme.mapping().await, [], "{round}: {put:?}");
        assert_eq!(acme.role_sources("ada").await, [], "{round}: {put:?}");
    }
}

#[tokio::test]
async fn a_deleted_directory_leaves_no_mapping_and_no_role_to_who_stays() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 10).await;
    let acme = gateway.directory().await;
    let sister = gateway.directory_in(acme.organization, None).await;
    let ada = acme.user("ada").await;
    let group = acme.group("Admins", &[&ada]).await;
    let of_sister = sister.group("Admins", &[]).await;
    for (directory, id) in [(&acme, &group), (&sister, &of_sister)] {
        let mapping = vec![by_id(id, "admin"), by_name("Admins", "admin")];
        directory.put_mapping(mapping).await.unwrap();
    }
    let (scope, cause) = (acme.organization, Cause::system("test"));
    let removed = directories_flow::remove_in_steps(&gateway.app, &scope, acme.directory, &cause);
    removed.await.unwrap();
    assert_eq!(acme.mapping().await, []);
    assert_eq!(sister.mapping().await.len(), 2);
}

#[tokio::test]
async fn renames_do_not_fill_a_mapping_beyond_what_can_be_put_back() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 10).await;
    gateway.role("member", 1).await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let group = acme.group("Admins", &[&ada]).await;
    let mut mapping = vec![by_name("Admins", "admin")];
    mapping.extend((1..flow::MOST).map(|n| by_name(&format!("Group {n}"), "member")));
    acme.put_mapping(mapping.clone()).await.unwrap();
    let rename = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);
    let path = format!("/Groups/{group}");
    acme.patch(&path, rename("Others")).await.expect(200);
    assert_eq!(acme.mapping().await, mapping);
    assert_eq!(acme.role_sources("ada").await, []);
    acme.patch(&path, rename("Admins")).await.expect(200);
    assert_eq!(acme.role_sources("ada").await, [role("admin", &group)]);

    mapping.pop();
    acme.put_mapping(mapping.clone()).await.unwrap();
    acme.patch(&path, rename("Others")).await.expect(200);
    mapping.push(by_id(&group, "admin"));
    assert_eq!(acme.mapping().await, mapping);
    acme.put_mapping(mapping).await.unwrap();
}

/// Each user's roles.
async fn roles_of_all(acme: &Client) -> std::collections::BTreeMap<String, Vec<String>> {
    let db = acme.app.store.read();
    let all = users::list(&db, &acme.organization, &UserFilter::default(), None, 100).await;
    let all = all.unwrap().into_iter();
    all.map(|user| (user.id.to_string(), user.roles)).collect()
}

#[tokio::test]
async fn a_preview_tells_what_putting_the_mapping_does() {
    let gateway = Gateway::start().await;
    for (slug, priority) in [("admin", 10), ("member", 5), ("guest", 1)] {
        gateway.role(slug, priority).await;
    }
    let first = gateway.directory().await;
    let acme = gateway
        .directory_in(first.organization, Some("guest"))
        .await;
    let mut ids = Vec::new();
    for name in ["ada", "ben", "cai", "dee", "eve"] {
        ids.push(acme.user(name).await);
    }
    let of = |these: &[usize]| these.iter().map(|n| ids[*n].as_str()).collect::<Vec<_>>();
    let admins = acme.group("Admins", &of(&[0, 1])).await;
    let staff = acme.group("Staff", &of(&[1, 2, 3])).await;
    acme.group("STAFF", &of(&[4])).await;
    let disable = json!([{"op": "replace", "path": "active", "value": false}]);
    acme.patch(&format!("/Users/{}", ids[3]), disable)
        .await
        .expect(200);
    for policy in [RolePolicy::Union, RolePolicy::HighestPriority] {
        let tx = gateway.app.store.begin().await.unwrap();
        let organization = organizations::find(&tx, &acme.organization).await;
        let organization = Organization {
            role_policy: policy,
            ..organization.unwrap().unwrap()
        };
        organizations::update(&tx, &acme.organization, &organization)
            .await
            .unwrap();
        roles::recompute_organization(&tx, &acme.organization, &Cause::system("test"))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        for mapping in [
            vec![by_id(&admins, "admin"), by_name("staff", "member")],
            vec![by_name("Admins", "member"), by_id(&staff, "guest")],
            vec![
                by_id(&staff, "admin"),
                by_name("staff", "admin"),
                by_name("nobody's", "admin"),
            ],
            vec![],
        ] {
            let before = roles_of_all(&acme).await;
            let db = gateway.app.store.snapshot().await.unwrap();
            let directory = acme.directory;
            let preview = roles::preview(&db, &acme.organization, directory, &mapping).await;
            let preview = preview.unwrap();
            drop(db);
            assert_eq!(roles_of_all(&acme).await, before, "it changes nothing");
            acme.put_mapping(mapping.clone()).await.unwrap();
            let after = roles_of_all(&acme).await;
            let (mut gains, mut losses) = (Vec::new(), Vec::new());
            for (user, had) in &before {
                let has = &after[user];
                let only = |these: &[String], others: &[String]| {
                    let these = these.iter().filter(|role| !others.contains(role));
                    these
                        .map(|role| (user.parse().unwrap(), role.clone()))
                        .collect::<Vec<_>>()
                };
                gains.extend(only(has, had));
                losses.extend(only(had, has));
            }
            assert_eq!(preview.gains.named, gains, "{policy:?} {mapping:?}");
            assert_eq!(preview.losses.named, losses, "{policy:?} {mapping:?}");
            let counts = (preview.gains.count, preview.losses.count);
            assert_eq!(counts, (gains.len() as u64, losses.len() as u64));
        }
    }
}

#[tokio::test]
async fn a_preview_is_of_one_moment_and_names_the_first_thousand() {
    let gateway = Gateway::start().await;
    gateway.role("admin", 10).await;
    gateway.role("member", 1).await;
    let acme = gateway.directory().await;
    let mut ids = Vec::new();
    for batch in 0..2 {
        let create = |n: usize| {
            json!({"method": "POST", "path": "/Users", "bulkId": n.to_string(),
                "data": {"userName": format!("user{batch}-{n}")}})
        };
        let bulk = json!({"Operations": (0..600).map(create).collect::<Vec<_>>()});
        let made = acme.post("/Bulk", bulk).await.expect(200).json;
        let made = made["Operations"].as_array().unwrap().iter();
        ids.extend(made.map(|one| {
            let location = one["location"].as_str().unwrap();
            location.rsplit('/').next().unwrap().to_owned()
        }));
    }
    let everybody: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = acme.group("Everybody", &everybody).await;
    let mapping = [by_id(&group, "admin"), by_name("Everybody", "member")];

    let db = gateway.app.store.snapshot().await.unwrap();
    let preview = async || {
        let preview = roles::preview(&db, &acme.organization, acme.directory, &mapping).await;
        preview.unwrap()
    };
    let before = preview().await;
    assert_eq!(before.gains.count, 2_400);
    assert_eq!(before.gains.named.len(), 1_000);
    assert_eq!((before.losses.count, before.losses.named.len()), (0, 0));
    assert!(before.gains.named.is_sorted());
    acme.delete(&format!("/Groups/{group}")).await.expect(204);
    acme.user("newcomer").await;
    assert_eq!(preview().await, before, "what came meanwhile is not in it");
    let db = gateway.app.store.snapshot().await.unwrap();
    let now = roles::preview(&db, &acme.organization, acme.directory, &mapping).await;
    assert_eq!(now.unwrap().gains.count, 0);
}
