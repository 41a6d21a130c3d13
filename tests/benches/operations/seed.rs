//! Many organizations, each with a domain and an active connection, and many users of a directory, written straight
//! into the database while the gateway is down: what is measured is what they cost, not making them.

use std::{ops::Range, sync::Arc};

use gateway::{
    clock::{Clock, SystemClock, SystemEntropy},
    ids::{ConnectionId, DirectoryUserId, DomainId, OrganizationId, UserId},
};
use integration::DatabaseKind;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

/// Rows a statement.
const CHUNK: usize = 500;

/// The organizations of these numbers, in one transaction. Their connections are copies of one that is there.
pub(crate) async fn organizations(url: &str, kind: DatabaseKind, numbers: Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    write(url, kind, numbers.chunks(CHUNK).flat_map(statements)).await;
}

/// The users of these numbers, as the directory's `user0@<domain>` with another number. Answers their ids, in order.
pub(crate) async fn users(
    url: &str,
    kind: DatabaseKind,
    domain: &str,
    numbers: Range<usize>,
) -> Vec<String> {
    let (clock, entropy) = (SystemClock, SystemEntropy);
    let fresh: Vec<_> = numbers
        .map(|number| {
            let user = UserId::generate(&clock, &entropy);
            let resource = DirectoryUserId::generate(&clock, &entropy);
            (number, user.to_string(), resource.to_string())
        })
        .collect();
    let statements = fresh
        .chunks(CHUNK)
        .flat_map(|chunk| user_statements(domain, chunk));
    write(url, kind, statements).await;
    fresh.into_iter().map(|(.., resource)| resource).collect()
}

/// In one transaction. The planner then knows of it, as it does where autovacuum has run.
async fn write(url: &str, kind: DatabaseKind, statements: impl Iterator<Item = String>) {
    let begin = std::iter::once("BEGIN".to_owned());
    let statistics = match kind {
        DatabaseKind::Sqlite => "ANALYZE",
        DatabaseKind::Postgres => "VACUUM ANALYZE",
    };
    let end = ["COMMIT", statistics].map(str::to_owned);
    let statements = begin.chain(statements).chain(end).collect();
    match kind {
        DatabaseKind::Sqlite => {
            let mut db = SqliteConnection::connect(url).await.expect("the database");
            run(&mut db, statements).await;
            db.close().await.expect("it closes");
        }
        DatabaseKind::Postgres => {
            let mut db = PgConnection::connect(url).await.expect("the database");
            run(&mut db, statements).await;
            db.close().await.expect("it closes");
        }
    }
}

async fn run<C>(db: &mut C, statements: Vec<String>)
where
    for<'a> &'a mut C: Executor<'a>,
{
    for statement in statements {
        db.execute(AssertSqlSafe(statement))
            .await
            .expect("it is written");
    }
}

fn statements(numbers: &[usize]) -> [String; 3] {
    let (clock, entropy) = (Arc::new(SystemClock), SystemEntropy);
    let now = clock.now().timestamp_millis();
    let mut organizations = Vec::new();
    let mut domains = Vec::new();
    let mut connections = Vec::new();
    for number in numbers {
        let organization = OrganizationId::generate(&*clock, &entropy);
        let domain = DomainId::generate(&*clock, &entropy);
        let connection = ConnectionId::generate(&*clock, &entropy);
        let name = format!("other{number}");
        organizations.push(format!(
            "('{organization}', '{name}', '{name}', '{name}', '{{}}', 'union', {now}, {now})"
        ));
        domains.push(format!(
            "('{domain}', '{organization}', '{name}.example', 'verified', TRUE, FALSE, '{number}', {now}, {now}, {now})"
        ));
        connections.push(format!(
            "('{connection}', '{organization}', 'IdP of {name}')"
        ));
    }
    [
        format!(
            "INSERT INTO organizations (id, name, name_folded, slug, metadata, role_policy, created_at, updated_at) \
             VALUES {}",
            organizations.join(", ")
        ),
        format!(
            "INSERT INTO domains (id, organization_id, domain, state, trusted, include_subdomains, token, \
             verified_at, created_at, updated_at) VALUES {}",
            domains.join(", ")
        ),
        format!(
            "INSERT INTO connections (id, organization_id, name, type, state, settings, email_domain_policy, \
             jit_provisioning, created_at, updated_at) \
             WITH fresh (id, organization_id, name) AS (VALUES {}), \
             model AS (SELECT * FROM connections WHERE state = 'active' ORDER BY id LIMIT 1) \
             SELECT fresh.id, fresh.organization_id, fresh.name, model.type, model.state, model.settings, \
             model.email_domain_policy, model.jit_provisioning, model.created_at, model.updated_at \
             FROM fresh CROSS JOIN model",
            connections.join(", ")
        ),
    ]
}

fn user_statements(domain: &str, chunk: &[(usize, String, String)]) -> [String; 3] {
    let rows: Vec<_> = chunk
        .iter()
        .map(|(number, user, resource)| {
            format!("('{number}', '{number:08}', '{user}', '{resource}')")
        })
        .collect();
    let fresh = format!(
        "WITH fresh (number, external_id, user_id, resource_id) AS (VALUES {}), \
         model AS (SELECT * FROM directory_users WHERE user_name = 'user0@{domain}')",
        rows.join(", ")
    );
    let own = |column: &str| {
        let mut text = format!("replace({column}, '00000000', fresh.external_id)");
        for (before, after) in [("user", "@"), ("Ada Example ", ""), ("ada example ", "")] {
            text = format!(
                "replace({text}, '{before}0{after}', '{before}' || fresh.number || '{after}')"
            );
        }
        text
    };
    [
        format!(
            "INSERT INTO users (id, organization_id, external_id, active, user_name, email, email_folded, profile, \
             created_at, updated_at) {fresh} \
             SELECT fresh.user_id, users.organization_id, {}, users.active, {}, {}, {}, {}, users.created_at, \
             users.updated_at FROM fresh CROSS JOIN model JOIN users ON users.id = model.user_id",
            own("users.external_id"),
            own("users.user_name"),
            own("users.email"),
            own("users.email_folded"),
            own("users.profile"),
        ),
        format!(
            "INSERT INTO directory_users (id, organization_id, directory_id, user_id, user_name, user_name_folded, \
             external_id, display_name, display_name_folded, active, resource, version, created_at, updated_at) {fresh} \
             SELECT fresh.resource_id, organization_id, directory_id, fresh.user_id, {}, {}, {}, {}, {}, active, {}, \
             version, created_at, updated_at FROM fresh CROSS JOIN model",
            own("user_name"),
            own("user_name_folded"),
            own("model.external_id"),
            own("display_name"),
            own("display_name_folded"),
            own("resource"),
        ),
        format!(
            "INSERT INTO directory_values (directory_id, directory_user_id, path, element, organization_id, value) \
             {fresh} \
             SELECT v.directory_id, fresh.resource_id, v.path, v.element, v.organization_id, {} \
             FROM fresh CROSS JOIN model JOIN directory_values v ON v.directory_user_id = model.id",
            own("v.value"),
        ),
    ]
}
