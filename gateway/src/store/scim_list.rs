//! Lists of SCIM resources: filtered, sorted, by page (RFC 7644 section 3.4.2) or by cursor (RFC 9865).

use scim::schema::Kind;
use scim::{Filter, ResourceType, Sort, SortOrder};
use sea_orm::sea_query::{Expr, ExprTrait, NullOrdering};
use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, Order, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait, Select,
};
use serde::{Deserialize, Serialize};

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
    pub start: Start<'a>,
    pub limit: u64,
    /// Of groups that are shown with their members.
    pub with_members: bool,
}

/// A page of groups ends early where it would show more members than these, but has one group at least.
const MEMBERS_ON_PAGE: i64 = 100_000;

#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// How many to pass over.
    Index(u64),
    /// Behind this one, or with the first.
    Cursor(Option<&'a After>),
    /// So that the page ends before this one.
    Before(&'a After),
}

/// The last resource of a page, or its first: what it sorted by, and its id, which decides between equals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// As text; None where there is no value, or nothing to sort by.
    pub key: Option<String>,
    pub id: String,
}

/// Some of the resources, and how many there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub resources: Vec<T>,
    pub total: u64,
    /// By cursor only: where the next page starts, if there is one.
    pub next: Option<After>,
    /// By cursor only: where the page before ends, if there is one.
    pub previous: Option<After>,
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
    let page = page::<_, directory_users::Row>(db, target, select, id, listing, |row| {
        (row.id.to_string(), 0)
    });
    Ok(page.await?.map(StoredUser::from))
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
    let page = page::<_, entity::groups::Model>(db, target, select, id, listing, |row| {
        (row.id.to_string(), row.member_count)
    });
    Ok(page.await?.map(StoredGroup::from))
}

async fn page<E, Row>(
    db: &impl Reads,
    target: Target<'_>,
    select: Select<E>,
    id: Expr,
    listing: Listing<'_>,
    // Its id, and how many members it shows.
    id_and_members: impl Fn(&Row) -> (String, i64),
) -> Result<Page<Row>, StoreError>
where
    E: EntityTrait,
    Row: FromQueryResult + Send + Sync,
{
    let condition = listing.filter.map(|filter| target.condition(filter));
    let matching = select
        .clone()
        .filter(condition.unwrap_or_else(Condition::all));
    let by_cursor = !matches!(listing.start, Start::Index(_));
    let mut rows: Vec<Keyed<Row>> = Vec::new();
    // A page that ends before a resource is read from there, against the order.
    let backwards = matches!(listing.start, Start::Before(_));
    if listing.limit > 0 {
        let sort = listing.sort;
        let key = sort.and_then(|sort| Some((sort, target.sort_key(&sort.path)?)));
        let in_order = |mut query: Select<E>| {
            if let Some((sort, key)) = key.clone() {
                let (order, nulls) = match (sort.order == SortOrder::Ascending) != backwards {
                    true => (Order::Asc, NullOrdering::Last),
                    false => (Order::Desc, NullOrdering::First),
                };
                query = query.order_by_with_nulls(key, order, nulls);
            }
            let by_id = if backwards { Order::Desc } else { Order::Asc };
            query.order_by(id.clone(), by_id)
        };
        let mut query = in_order(matching.clone());
        query = match listing.start {
            Start::Index(0) => query.limit(listing.limit),
            // What is passed over is read from the index alone.
            Start::Index(offset) => {
                let mut ids = query.offset(offset).limit(listing.limit).into_query();
                ids.clear_selects().expr(id.clone());
                in_order(select.filter(id.clone().in_subquery(ids)))
            }
            // One more than is shown says that there is more.
            Start::Cursor(None) => query.limit(listing.limit + 1),
            Start::Cursor(Some(edge)) | Start::Before(edge) => query
                .filter(beyond(edge, key.clone(), id.clone(), backwards))
                .limit(listing.limit + 1),
        };
        if let (true, Some((_, key))) = (by_cursor, &key) {
            query = query.expr_as(key.clone().cast_as("TEXT"), SORT_KEY);
        }
        rows = query.into_model::<Keyed<Row>>().all(db.db()).await?;
    }
    let limit = usize::try_from(listing.limit).unwrap_or(usize::MAX);
    let mut shown = rows.len().min(limit);
    if listing.with_members {
        let mut members = 0;
        let fits = rows.iter().take_while(|keyed| {
            members += id_and_members(&keyed.row).1;
            members <= MEMBERS_ON_PAGE
        });
        shown = shown.min(fits.count().max(1));
    }
    let more = rows.len() > shown;
    let cut = shown < limit && more;
    rows.truncate(shown);
    if backwards {
        rows.reverse();
    }
    let edge = |keyed: &Keyed<Row>| After {
        key: keyed.key.clone(),
        id: id_and_members(&keyed.row).0,
    };
    let (has_next, has_previous) = match listing.start {
        Start::Index(_) => (false, false),
        Start::Cursor(after) => (more, after.is_some()),
        Start::Before(_) => (true, more),
    };
    let next = rows.last().filter(|_| has_next).map(edge);
    let previous = rows.first().filter(|_| has_previous).map(edge);
    let seen = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    // A page that is not full is the last one, unless it lies behind the end: the total is known. How many
    // lie before a cursor is not.
    let known = match listing.start {
        Start::Index(offset) if !cut && seen < listing.limit && (seen > 0 || offset == 0) => {
            Some(offset.saturating_add(seen))
        }
        Start::Cursor(None) if listing.limit > 0 && !more => Some(seen),
        _ => None,
    };
    let total = match known {
        Some(total) => total,
        None => count(db, matching).await?,
    };
    Ok(Page {
        resources: rows.into_iter().map(|keyed| keyed.row).collect(),
        total,
        next,
        previous,
    })
}

const SORT_KEY: &str = "sort_key";

/// A row, and what it is sorted by where a cursor needs to know.
struct Keyed<Row> {
    row: Row,
    key: Option<String>,
}

impl<Row: FromQueryResult> FromQueryResult for Keyed<Row> {
    fn from_query_result(result: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            row: Row::from_query_result(result, prefix)?,
            key: result.try_get(prefix, SORT_KEY).ok().flatten(),
        })
    }
}

/// All that come after this one in the order of [`page`], or, backwards, before it.
fn beyond(edge: &After, key: Option<(&Sort, Expr)>, id: Expr, backwards: bool) -> Condition {
    let later = Condition::all().add(match backwards {
        true => id.lt(edge.id.as_str()),
        false => id.gt(edge.id.as_str()),
    });
    let Some((sort, key)) = key else {
        return later;
    };
    // The way that leads to greater keys, and then to those without one.
    let upwards = (sort.order == SortOrder::Ascending) != backwards;
    let Some(value) = edge.key.as_deref() else {
        let equals = Condition::all().add(key.clone().is_null()).add(later);
        return if upwards {
            equals
        } else {
            Condition::any().add(equals).add(key.is_not_null())
        };
    };
    // Instants are numbers in their columns.
    let value = match value.parse::<i64>() {
        Ok(millis) if sort.path.leaf().kind == Kind::DateTime => Expr::val(millis),
        _ => Expr::val(value),
    };
    let equals = Condition::all()
        .add(key.clone().eq(value.clone()))
        .add(later);
    let any = Condition::any().add(equals);
    if upwards {
        any.add(key.clone().gt(value)).add(key.is_null())
    } else {
        any.add(key.lt(value))
    }
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
            next: self.next,
            previous: self.previous,
        }
    }
}
