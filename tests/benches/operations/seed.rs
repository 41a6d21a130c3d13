//! Many organizations, each with a domain and an active connection, written straight into the database while
//! the gateway is down: what is measured is reading them, not making them.

use std::sync::Arc;

use gateway::{
    clock::{Clock, SystemClock, SystemEntropy},
    ids::{ConnectionId, DomainId, OrganizationId},
};
use integration::DatabaseKind;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

/// Rows a statement.
const CHUNK: usize = 500;

/// The organizations of these numbers, in one transaction. Their connections are copies of one that is there.
pub(crate) async fn organizations(url: &str, kind: DatabaseKind, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    let statements: Vec<String> = numbers.chunks(CHUNK).flat_map(statements).collect();
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
    let begin = std::iter::once("BEGIN".to_owned());
    let commit = std::iter::once("COMMIT".to_owned());
    for statement in begin.chain(statements).chain(commit) {
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
