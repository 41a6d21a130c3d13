//! Home-realm discovery's memory: which organization owns a domain, and which connections it signs in with.
//!
//! Answered without a query whatever the number of organizations, and true on this replica when a commit
//! returns; on the others after at most one second, by polling what changed. The versions of these changes
//! are what everything else that is kept in memory is compared with (`remembered.rs`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::Mutex;

use super::entity::{config_changes, config_version, connections, domains};
use super::tx::Reader;
use super::{OrgScope, Reads, StoreError};
use crate::ids::{ConnectionId, OrganizationId};
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
    domains: Box<[Box<str>]>,
    connections: Box<[RoutedConnection]>,
}

#[derive(Clone, Copy)]
struct DomainEntry {
    organization: OrganizationId,
    include_subdomains: bool,
}

#[derive(Default)]
struct Index {
    domains: HashMap<Box<str>, DomainEntry>,
    organizations: HashMap<OrganizationId, OrganizationEntry>,
    /// The last change of what stands above organizations: applications, API keys.
    deployment: i64,
    /// The last change of all that is in here.
    version: i64,
    /// Since when no change of others can have been missed. `None` after a failure.
    true_at: Option<Instant>,
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
    /// The organization that verified `domain` (canonical: A-label, lower case), or a parent domain that
    /// says it speaks for its subdomains.
    pub(super) fn organization_of(&self, domain: &str) -> Option<OrgScope> {
        let index = self.read();
        if let Some(entry) = index.domains.get(domain) {
            return Some(OrgScope::from_evidence(entry.organization));
        }
        let mut rest = domain;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(entry) = index.domains.get(parent) {
                return entry
                    .include_subdomains
                    .then(|| OrgScope::from_evidence(entry.organization));
            }
            rest = parent;
        }
        None
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
        self.organization_of(domain)
            .is_some_and(|scope| scope.organization() == organization)
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
            self.load(db, None, version).await?;
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
                Some(organization) => self.load(db, Some(organization), version).await?,
                None => {
                    let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                    index.deployment = version;
                }
            }
        }
        Ok(version)
    }

    /// Reads one organization, or all of them.
    async fn load(
        &self,
        db: &Reader,
        organization: Option<OrganizationId>,
        version: i64,
    ) -> Result<(), StoreError> {
        let (domains, connections) = rows(db, organization).await?;
        let mut entries: HashMap<OrganizationId, (Vec<Box<str>>, Vec<RoutedConnection>)> =
            HashMap::new();
        entries.extend(organization.map(|id| (id, Default::default())));
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = organization.and_then(|id| index.organizations.remove(&id)) {
            for domain in &old.domains {
                // Another organization may have taken the domain over in the meantime.
                if index
                    .domains
                    .get(domain)
                    .is_some_and(|it| Some(it.organization) == organization)
                {
                    index.domains.remove(domain);
                }
            }
        }
        for (organization, domain, include_subdomains) in domains {
            let domain: Box<str> = domain.into();
            entries
                .entry(organization)
                .or_default()
                .0
                .push(domain.clone());
            index.domains.insert(
                domain,
                DomainEntry {
                    organization,
                    include_subdomains,
                },
            );
        }
        for (organization, connection) in connections {
            entries.entry(organization).or_default().1.push(connection);
        }
        for (organization, (domains, connections)) in entries {
            index.organizations.insert(
                organization,
                OrganizationEntry {
                    generation: version,
                    domains: domains.into(),
                    connections: connections.into(),
                },
            );
        }
        Ok(())
    }
}

type DomainRow = (OrganizationId, String, bool);
type ConnectionRow = (OrganizationId, RoutedConnection);

#[expect(
    clippy::disallowed_methods,
    reason = "the index spans organizations and hands out scopes"
)]
async fn rows(
    db: &Reader,
    organization: Option<OrganizationId>,
) -> Result<(Vec<DomainRow>, Vec<ConnectionRow>), StoreError> {
    let mut query = domains::Entity::find()
        .select_only()
        .column(domains::Column::OrganizationId)
        .column(domains::Column::Domain)
        .column(domains::Column::IncludeSubdomains)
        .filter(domains::Column::State.eq(DomainState::Verified));
    if let Some(organization) = organization {
        query = query.filter(domains::Column::OrganizationId.eq(organization));
    }
    let domains = query.into_tuple::<DomainRow>().all(db.db()).await?;

    let mut query = connections::Entity::find()
        .select_only()
        .column(connections::Column::OrganizationId)
        .column(connections::Column::Id)
        .column(connections::Column::Name)
        .column(connections::Column::Kind)
        .column(connections::Column::Provider)
        .filter(connections::Column::State.eq(ConnectionState::Active))
        .order_by_asc(connections::Column::Id);
    if let Some(organization) = organization {
        query = query.filter(connections::Column::OrganizationId.eq(organization));
    }
    let connections = query
        .into_tuple::<(
            OrganizationId,
            ConnectionId,
            String,
            ConnectionType,
            Option<String>,
        )>()
        .all(db.db())
        .await?
        .into_iter()
        .map(|(organization, id, name, kind, provider)| {
            let provider = provider.map(Into::into);
            (
                organization,
                RoutedConnection {
                    id,
                    name: name.into(),
                    kind,
                    provider,
                },
            )
        })
        .collect();
    Ok((domains, connections))
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
