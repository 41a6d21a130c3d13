//! Lists of SCIM resources: filtered, sorted, by page (RFC 7644 section 3.4.2) or by cursor (RFC 9865).

use scim::{Filter, ResourceType, Sort, SortOrder};
use sea_orm::sea_query::{Expr, NullOrdering};
use sea_orm::{
    Condition, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};

use super::directory_users::{self, StoredUser};
use super::entity;
use super::groups::StoredGroup;
use super::scim_filter::Target;
use super::{DirectoryScope, Reads, StoreError};

/// Which resources, in which order, and which of them.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// The directory's SCIM base URL.
    pub base_url: &'a str,
    pub filter: Option<&'a Filter>,
    /// By id, which is by age, where nothing is said.
    pub sort: Option<&'a Sort>,
    /// How many to pass over.
    pub offset: u64,
    pub limit: u64,
}

/// Some of the resources, and how many there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub resources: Vec<T>,
    pub total: u64,
}

pub async fn users(
    db: &impl Reads,
    scope: &DirectoryScope,
    listing: Listing<'_>,
) -> Result<Page<StoredUser>, StoreError> {
    let target = Target {
        scope,
        resource_type: ResourceType::User,
        base_url: listing.base_url,
    };
    let id = Expr::col((
        entity::directory_users::Entity,
        entity::directory_users::Column::Id,
    ));
    let select = directory_users::select(scope);
    let page = page::<_, directory_users::Row>(db, target, select, id, listing).await?;
    Ok(page.map(StoredUser::from))
}

pub async fn groups(
    db: &impl Reads,
    scope: &DirectoryScope,
    listing: Listing<'_>,
) -> Result<Page<StoredGroup>, StoreError> {
    let target = Target {
        scope,
        resource_type: ResourceType::Group,
        base_url: listing.base_url,
    };
    let id = Expr::col((entity::groups::Entity, entity::groups::Column::Id));
    let select = scope.select::<entity::groups::Entity>();
    let page = page::<_, entity::groups::Model>(db, target, select, id, listing).await?;
    Ok(page.map(StoredGroup::from))
}

async fn page<E, Row>(
    db: &impl Reads,
    target: Target<'_>,
    select: Select<E>,
    id: Expr,
    listing: Listing<'_>,
) -> Result<Page<Row>, StoreError>
where
    E: EntityTrait,
    Row: FromQueryResult + Send + Sync,
{
    let condition = listing.filter.map(|filter| target.condition(filter));
    let matching = select.filter(condition.unwrap_or_else(Condition::all));
    let mut resources = Vec::new();
    if listing.limit > 0 {
        let mut query = matching.clone();
        if let Some(sort) = listing.sort
            && let Some(key) = target.sort_key(&sort.path)
        {
            let (order, nulls) = match sort.order {
                SortOrder::Ascending => (Order::Asc, NullOrdering::Last),
                SortOrder::Descending => (Order::Desc, NullOrdering::First),
            };
            query = query.order_by_with_nulls(key, order, nulls);
        }
        resources = query
            .order_by(id, Order::Asc)
            .offset(listing.offset)
            .limit(listing.limit)
            .into_model::<Row>()
            .all(db.db())
            .await?;
    }
    let seen = u64::try_from(resources.len()).unwrap_or(u64::MAX);
    // A page that is not full is the last one, unless it lies behind the end: the total is known.
    let total = if seen < listing.limit && (seen > 0 || listing.offset == 0) {
        listing.offset.saturating_add(seen)
    } else {
        count(db, matching).await?
    };
    Ok(Page { resources, total })
}

async fn count<E: EntityTrait>(db: &impl Reads, matching: Select<E>) -> Result<u64, StoreError> {
    let mut query = matching.into_query();
    query
        .clear_selects()
        .expr_as(Expr::cust("COUNT(*)"), "total");
    let row = db.db().query_one(&query).await?;
    let total: i64 = row.ok_or(StoreError::Stale)?.try_get("", "total")?;
    Ok(total.unsigned_abs())
}

impl<T> Page<T> {
    fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page {
            resources: self.resources.into_iter().map(each).collect(),
            total: self.total,
        }
    }
}
