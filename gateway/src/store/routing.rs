//! Home-realm discovery's memory: which organization owns a domain, and which connections it signs in with.
//!
//! Answered without a query whatever the number of organizations, and true on this replica when a commit
//! returns; on the others after at most one second, by polling what changed. The versions of these changes
//! are what everything else that is kept in memory is compared with (`remembered.rs`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::Mutex;

use super::entity::{config_changes, config_version, connections, domains};
use super::tx::Reader;
use super::{OrgScope, Reads, StoreError};
use crate::ids::{ConnectionId, DomainId, OrganizationId};
use crate::model::{ConnectionState, ConnectionType, DomainState};

/// An active connection as discovery names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedConnection {
    pub id: ConnectionId,
    pub name: Box<str>,
    pub kind: ConnectionType,
    pub provider: Option<Box<str>>,
}

#[derive(Default)]
struct OrganizationEntry {
    /// The config version at which this entry was read.
    generation: i64,
    domains: Box<[Arc<str>]>,
    connections: Box<[RoutedConnection]>,
}

#[derive(Clone, Copy)]
struct DomainEntry {
    organization: OrganizationId,
    include_subdomains: bool,
}

#[derive(Default)]
struct Index {
    domains: HashMap<Arc<str>, DomainEntry>,
    /// Of the few domains that lead to one connection. Beside their entries, which there may be many of.
    assigned: HashMap<Arc<str>, ConnectionId>,
    organizations: HashMap<OrganizationId, OrganizationEntry>,
    /// The last change of what stands above organizations: applications, API keys.
    deployment: i64,
    /// The last change of all that is in here.
    version: i64,
    /// Since when no change of others can have been missed. `None` after a failure.
    true_at: Option<Instant>,
}

/// Where the addresses of a domain sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainRoute {
    pub scope: OrgScope,
    /// The one connection, active or not; else any active one of the organization.
    pub connection: Option<ConnectionId>,
}

/// The index, and up to which change it was read.
#[derive(Default)]
pub(super) struct Routing {
    index: RwLock<Index>,
    seen: Mutex<Option<i64>>,
}

/// Beyond that age memory is not asked about credentials: a replica that can't look for changes must not go
/// on accepting what was revoked elsewhere.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

impl Routing {
    /// Where `domain` (canonical: A-label, lower case) leads: the organization that verified it, or a parent
    /// domain that says it speaks for its subdomains. The nearest one decides.
    pub(super) fn route_of(&self, domain: &str) -> Option<DomainRoute> {
        let index = self.read();
        let mut name = domain;
        loop {
            if let Some(entry) = index.domains.get(name) {
                return (name == domain || entry.include_subdomains).then(|| DomainRoute {
                    scope: OrgScope::from_evidence(entry.organization),
                    connection: index.assigned.get(name).copied(),
                });
            }
            name = name.split_once('.')?.1;
        }
    }

    /// The organization's active connections, newest last.
    pub(super) fn connections(&self, organization: OrganizationId) -> Vec<RoutedConnection> {
        let index = self.read();
        index
            .organizations
            .get(&organization)
            .map(|entry| entry.connections.to_vec())
            .unwrap_or_default()
    }

    /// Whether an address in `domain` may sign in to this organization (SECURITY-MODEL G4).
    pub(super) fn owns(&self, organization: OrganizationId, domain: &str) -> bool {
        self.route_of(domain)
            .is_some_and(|route| route.scope.organization() == organization)
    }

    /// The organization's verified domains.
    pub(super) fn domains(&self, organization: OrganizationId) -> Vec<String> {
        let index = self.read();
        index
            .organizations
            .get(&organization)
            .map(|entry| entry.domains.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    /// Changes whenever something of the organization that is kept in memory changed; 0 when it has
    /// neither a domain nor a connection.
    pub(super) fn generation(&self, organization: OrganizationId) -> i64 {
        let index = self.read();
        index
            .organizations
            .get(&organization)
            .map_or(0, |entry| entry.generation)
    }

    /// The change up to which this memory was read: what is read from the database after this call is at
    /// least as new.
    pub(super) fn version(&self) -> i64 {
        self.read().version
    }

    /// Whether what was read at `version` can still be relied on: nothing above organizations changed since,
    /// nor anything of its organization, and nobody's change can have been missed for longer than a second.
    pub(super) fn holds(&self, version: i64, organization: Option<OrganizationId>) -> bool {
        let index = self.read();
        let unchanged = |changed: i64| changed <= version;
        index
            .true_at
            .is_some_and(|since| since.elapsed() < TRUSTED_FOR)
            && unchanged(index.deployment)
            && organization
                .and_then(|id| index.organizations.get(&id))
                .is_none_or(|entry| unchanged(entry.generation))
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what changed since the last call.
    pub(super) async fn refresh(&self, db: &Reader) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        let asked_at = Instant::now();
        let read = self.read_changes(db, *seen).await;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.true_at = read.is_ok().then_some(asked_at);
        // Last: nobody may take for newer what the index doesn't show yet.
        index.version = read?;
        *seen = Some(index.version);
        Ok(())
    }

    /// The version up to which everything was read.
    async fn read_changes(&self, db: &Reader, seen: Option<i64>) -> Result<i64, StoreError> {
        let Some(last) = seen else {
            let version = current_version(db).await?;
            self.load_all(db, version).await?;
            return Ok(version);
        };
        let changes = changes_since(db, last).await?;
        let Some(&(version, _)) = changes.last() else {
            return Ok(last);
        };
        let changed: BTreeSet<Option<OrganizationId>> = changes
            .iter()
            .map(|(_, organization)| *organization)
            .collect();
        for changed in changed {
            match changed {
                Some(organization) => self.load(db, organization, version).await?,
                None => {
                    let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                    index.deployment = version;
                }
            }
        }
        Ok(version)
    }

    /// Reads one organization anew.
    async fn load(
        &self,
        db: &Reader,
        organization: OrganizationId,
        version: i64,
    ) -> Result<(), StoreError> {
        let of_it = Condition::all().add(domains::Column::OrganizationId.eq(organization));
        let domains = domain_rows(db, of_it, None).await?;
        let of_it = Condition::all().add(connections::Column::OrganizationId.eq(organization));
        let connections = connection_rows(db, of_it, None).await?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.forget(organization);
        index.add(domains, connections, version);
        // Even when it has nothing: its generation tells that something changed.
        index
            .organizations
            .entry(organization)
            .or_default()
            .generation = version;
        Ok(())
    }

    /// Reads all organizations, a page at a time: what a page took is free again before the next one, so that
    /// many organizations cost no more memory than their entries.
    async fn load_all(&self, db: &Reader, version: i64) -> Result<(), StoreError> {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Index::default();
        let mut last = None;
        loop {
            let after = last.map(|id: DomainId| domains::Column::Id.gt(id));
            let rows = domain_rows(db, Condition::all().add_option(after), Some(PAGE)).await?;
            last = rows.last().map(|row| row.0);
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            index.add(rows, Vec::new(), version);
            if last.is_none() {
                break;
            }
        }
        let mut last = None;
        loop {
            let after = last.map(|id: ConnectionId| connections::Column::Id.gt(id));
            let rows = connection_rows(db, Condition::all().add_option(after), Some(PAGE)).await?;
            last = rows.last().map(|(_, connection)| connection.id);
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            index.add(Vec::new(), rows, version);
            if last.is_none() {
                return Ok(());
            }
        }
    }
}

impl Index {
    fn forget(&mut self, organization: OrganizationId) {
        let Some(old) = self.organizations.remove(&organization) else {
            return;
        };
        for domain in &old.domains {
            // Another organization may have taken the domain over in the meantime.
            let entry = self.domains.get(domain);
            if entry.is_some_and(|it| it.organization == organization) {
                self.domains.remove(domain);
                self.assigned.remove(domain);
            }
        }
    }

    /// Adds rows to what is there of their organizations.
    fn add(&mut self, domains: Vec<DomainRow>, connections: Vec<ConnectionRow>, version: i64) {
        for (_, organization, domain, include_subdomains, connection) in domains {
            let domain: Arc<str> = domain.into();
            let entry = self.organizations.entry(organization).or_default();
            entry.generation = version;
            entry.domains = appended(&mut entry.domains, Arc::clone(&domain));
            match connection {
                Some(connection) => {
                    self.assigned.insert(Arc::clone(&domain), connection);
                }
                None => {
                    self.assigned.remove(&domain);
                }
            }
            let entry = DomainEntry {
                organization,
                include_subdomains,
            };
            self.domains.insert(domain, entry);
        }
        for (organization, connection) in connections {
            let entry = self.organizations.entry(organization).or_default();
            entry.generation = version;
            entry.connections = appended(&mut entry.connections, connection);
        }
    }
}

/// Organizations have few of each, and there are many organizations: no spare room.
fn appended<T>(list: &mut Box<[T]>, item: T) -> Box<[T]> {
    let mut list = std::mem::take(list).into_vec();
    list.reserve_exact(1);
    list.push(item);
    list.into_boxed_slice()
}

/// Rows read at a time when all are.
const PAGE: u64 = 2_000;

type DomainRow = (DomainId, OrganizationId, String, bool, Option<ConnectionId>);
type ConnectionRow = (OrganizationId, RoutedConnection);

#[expect(
    clippy::disallowed_methods,
    reason = "the index spans organizations and hands out scopes"
)]
async fn domain_rows(
    db: &Reader,
    which: Condition,
    limit: Option<u64>,
) -> Result<Vec<DomainRow>, StoreError> {
    Ok(domains::Entity::find()
        .select_only()
        .column(domains::Column::Id)
        .column(domains::Column::OrganizationId)
        .column(domains::Column::Domain)
        .column(domains::Column::IncludeSubdomains)
        .column(domains::Column::ConnectionId)
        .filter(domains::Column::State.eq(DomainState::Verified))
        .filter(which)
        .order_by_asc(domains::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db.db())
        .await?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the index spans organizations and hands out scopes"
)]
async fn connection_rows(
    db: &Reader,
    which: Condition,
    limit: Option<u64>,
) -> Result<Vec<ConnectionRow>, StoreError> {
    let rows = connections::Entity::find()
        .select_only()
        .column(connections::Column::OrganizationId)
        .column(connections::Column::Id)
        .column(connections::Column::Name)
        .column(connections::Column::Kind)
        .column(connections::Column::Provider)
        .filter(connections::Column::State.eq(ConnectionState::Active))
        .filter(which)
        .order_by_asc(connections::Column::Id)
        .limit(limit)
        .into_tuple::<(
            OrganizationId,
            ConnectionId,
            String,
            ConnectionType,
            Option<String>,
        )>()
        .all(db.db())
        .await?;
    let connection =
        |(organization, id, name, kind, provider): (_, _, String, _, Option<String>)| {
            let connection = RoutedConnection {
                id,
                name: name.into(),
                kind,
                provider: provider.map(Into::into),
            };
            (organization, connection)
        };
    Ok(rows.into_iter().map(connection).collect())
}

#[expect(clippy::disallowed_methods, reason = "one row above all organizations")]
async fn current_version(db: &Reader) -> Result<i64, StoreError> {
    let row = config_version::Entity::find().one(db.db()).await?;
    Ok(row.map_or(0, |row| row.version))
}

#[expect(
    clippy::disallowed_methods,
    reason = "names organizations, shows nothing of them"
)]
async fn changes_since(
    db: &Reader,
    version: i64,
) -> Result<Vec<(i64, Option<OrganizationId>)>, StoreError> {
    Ok(config_changes::Entity::find()
        .select_only()
        .column(config_changes::Column::Version)
        .column(config_changes::Column::OrganizationId)
        .filter(config_changes::Column::Version.gt(version))
        .order_by_asc(config_changes::Column::Version)
        .into_tuple()
        .all(db.db())
        .await?)
}
