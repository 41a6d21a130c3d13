//! SCIM filters and sort keys as SQL (RFC 7644 section 3.4.2.2), the same text for SQLite and PostgreSQL.
//! [`scim::Filter::matches`] is the meaning; a property test holds this against it on both.
//!
//! Attributes with a column are compared there; all others of a user are rows of `directory_values`, group
//! members and a user's groups are rows of `memberships`. An equality is looked up by its index first
//! (`IN`), whatever selects little is tried on the rows that are left (`EXISTS`), so that finding one user
//! costs the same among a thousand and among a hundred thousand.

mod elements;
mod text;

use scim::schema::ENTERPRISE_USER;
use scim::{AttributePath, CompareOperator, Filter, Literal, ResourceType, fold};
use sea_orm::Condition;
use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Query, SelectStatement};

use self::elements::{Collection, Member};
use super::DirectoryScope;
use super::entity::{directory_users, directory_values, group_schemas, groups};

/// Which directory's resources a filter is about, and how they are addressed.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) scope: &'a DirectoryScope,
    pub(super) resource_type: ResourceType,
    /// The directory's SCIM base URL: `meta.location` and `$ref` start with it.
    pub(super) base_url: &'a str,
}

/// Where an attribute's values are.
enum Place {
    /// One expression on the resource's row; null where there is no value.
    Single(Expr),
    /// The same text on every resource.
    Constant(&'static str),
    /// Rows of `directory_values`.
    Values,
    /// Rows of `memberships`, or parts of them.
    Links,
    /// The resource type's own URN, and the rows of its extensions.
    Schemas,
}

impl Target<'_> {
    /// The condition on `directory_users` or `groups` that selects what the filter matches.
    pub(super) fn condition(&self, filter: &Filter) -> Condition {
        match filter {
            Filter::And(all) => all
                .iter()
                .fold(Condition::all(), |sum, f| sum.add(self.condition(f))),
            Filter::Or(all) => all
                .iter()
                .fold(Condition::any(), |sum, f| sum.add(self.condition(f))),
            Filter::Not(inner) => Condition::all().add(self.condition(inner)).not(),
            Filter::Present(path) => Condition::all().add(self.present(path)),
            Filter::Compare {
                path,
                operator,
                value,
            } => Condition::all().add(self.compare(path, *operator, value)),
            // Every resource has the one `meta`, whose parts are no rows.
            Filter::Element { path, filter } if path.attribute.name == "meta" => {
                self.condition(filter)
            }
            Filter::Element { path, filter } => {
                Condition::all().add(self.collection(path).any(filter))
            }
        }
    }

    /// What resources are sorted by; none for what no resource has one of.
    pub(super) fn sort_key(&self, path: &AttributePath) -> Option<Expr> {
        match self.place(path) {
            Place::Single(value) => Some(value),
            Place::Values => {
                let mut first = self.values(&path.to_string());
                first
                    .column((VALUES, directory_values::Column::Value))
                    .and_where(Expr::col((VALUES, directory_values::Column::Element)).eq(0_i64))
                    .and_where(of_this_user());
                Some(Expr::SubQuery(None, Box::new(first.into())))
            }
            Place::Constant(_) | Place::Links | Place::Schemas => None,
        }
    }

    fn place(&self, path: &AttributePath) -> Place {
        use directory_users::Column as User;
        use groups::Column as Group;
        let is_user = self.resource_type == ResourceType::User;
        let column = |user: User, group: Group| {
            Place::Single(match self.resource_type {
                ResourceType::User => Expr::col((directory_users::Entity, user)),
                ResourceType::Group => Expr::col((groups::Entity, group)),
            })
        };
        match path.names() {
            (None, "id", _) => column(User::Id, Group::Id),
            (None, "externalId", _) => column(User::ExternalId, Group::ExternalId),
            (None, "userName", _) if is_user => {
                Place::Single(Expr::col((directory_users::Entity, User::UserNameFolded)))
            }
            (None, "displayName", _) => column(User::DisplayNameFolded, Group::DisplayNameFolded),
            (None, "meta", Some("created")) => column(User::CreatedAt, Group::CreatedAt),
            (None, "meta", Some("lastModified")) => column(User::UpdatedAt, Group::UpdatedAt),
            (None, "meta", Some("version")) => {
                let Place::Single(version) = column(User::Version, Group::Version) else {
                    return Place::Values;
                };
                let version = version.cast_as("TEXT");
                Place::Single(joined(joined(Expr::val("W/\""), version), Expr::val("\"")))
            }
            (None, "meta", Some("location")) => {
                let url = format!("{}{}/", self.base_url, self.resource_type.endpoint());
                let Place::Single(id) = column(User::Id, Group::Id) else {
                    return Place::Values;
                };
                Place::Single(joined(Expr::val(url), id))
            }
            // `meta` itself, which every resource has, and its `resourceType`.
            (None, "meta", _) => Place::Constant(self.resource_type.name()),
            (None, "schemas", _) => Place::Schemas,
            (None, "members" | "groups", _) => Place::Links,
            (Some(urn), "manager", Some(part @ ("displayName" | "$ref")))
                if urn == ENTERPRISE_USER.urn =>
            {
                Place::Single(self.manager(part))
            }
            _ => Place::Values,
        }
    }

    fn present(&self, path: &AttributePath) -> Expr {
        match self.place(path) {
            Place::Single(value) => value.is_not_null(),
            Place::Constant(_) | Place::Schemas => text::always(true),
            Place::Values => self.user_has(self.values(&path.to_string())),
            Place::Links => match path.sub {
                None => self.collection(path).any_at_all(),
                Some(_) => self.collection(path).any(&Filter::Present(*path)),
            },
        }
    }

    fn compare(&self, path: &AttributePath, operator: CompareOperator, literal: &Literal) -> Expr {
        let comparand = Comparand::new(path, literal);
        match self.place(path) {
            Place::Single(value) => comparand.holds_for(value, operator),
            Place::Constant(value) => comparand.holds_for_constant(value, operator),
            Place::Schemas => {
                let own = self.resource_type.schema().urn;
                let own = comparand.holds_for_constant(own, operator);
                own.or(match self.resource_type {
                    ResourceType::Group => self.group_has_extension(operator, &comparand),
                    ResourceType::User => {
                        self.user_has(self.matching(&path.to_string(), operator, &comparand))
                    }
                })
            }
            Place::Values => {
                let name = path.to_string();
                let some = self.matching(&name, operator, &comparand);
                if operator == CompareOperator::Equal && comparand.is_selective() {
                    return self.user_is_among(some);
                }
                let some = self.user_has(some);
                if operator == CompareOperator::NotEqual {
                    return some.or(self.user_has(self.values(&name)).not());
                }
                some
            }
            Place::Links => {
                let filter = Filter::Compare {
                    path: *path,
                    operator,
                    value: literal.clone(),
                };
                let collection = self.collection(path);
                if operator == CompareOperator::NotEqual {
                    // Only values differ, or nothing has one: a member without a name has none that differs.
                    let valued = Filter::Present(*path);
                    let some = collection.any(&Filter::And(vec![valued.clone(), filter]));
                    return some.or(collection.any(&valued).not());
                }
                collection.any(&filter)
            }
        }
    }

    /// The values of one path, whatever the user.
    fn values(&self, path: &str) -> SelectStatement {
        use directory_values::Column;
        Query::select()
            .from_as(directory_values::Entity, VALUES)
            .and_where(Expr::col((VALUES, Column::DirectoryId)).eq(self.scope.directory()))
            .and_where(Expr::col((VALUES, Column::Path)).eq(path))
            .to_owned()
    }

    /// The values of one path that compare well.
    fn matching(
        &self,
        path: &str,
        operator: CompareOperator,
        literal: &Comparand,
    ) -> SelectStatement {
        let value = Expr::col((VALUES, directory_values::Column::Value));
        let mut values = self.values(path);
        values.and_where(literal.compare(value, operator));
        if operator == CompareOperator::Equal && literal.is_indexed() {
            values.and_where(Expr::cust(INDEXED));
        }
        values
    }

    fn user_is_among(&self, mut values: SelectStatement) -> Expr {
        values.column((VALUES, directory_values::Column::DirectoryUserId));
        Expr::col((directory_users::Entity, directory_users::Column::Id)).in_subquery(values)
    }

    fn user_has(&self, mut values: SelectStatement) -> Expr {
        values.expr(Expr::val(1_i32)).and_where(of_this_user());
        Expr::exists(values)
    }

    fn group_has_extension(&self, operator: CompareOperator, urn: &Comparand) -> Expr {
        use group_schemas::Column;
        let extensions = Query::select()
            .expr(Expr::val(1_i32))
            .from(group_schemas::Entity)
            .and_where(
                Expr::col((group_schemas::Entity, Column::DirectoryId)).eq(self.scope.directory()),
            )
            .and_where(
                Expr::col((group_schemas::Entity, Column::GroupId))
                    .equals((groups::Entity, groups::Column::Id)),
            )
            .and_where(urn.compare(Expr::col((group_schemas::Entity, Column::Urn)), operator))
            .to_owned();
        Expr::exists(extensions)
    }

    fn collection(&self, path: &AttributePath) -> Collection<'_> {
        let member = match (path.extension(), path.attribute.name) {
            (None, "members") => Member::OfGroup,
            (None, "groups") => Member::GroupOfUser,
            _ => Member::Value,
        };
        Collection {
            target: self,
            path: *path,
            member,
        }
    }

    /// A part of the manager that the server computes, where the manager is a user of this directory.
    fn manager(&self, part: &str) -> Expr {
        use directory_users::Column;
        const MANAGER: &str = "manager";
        let name = format!("{}:manager.value", ENTERPRISE_USER.urn);
        let mut found = self.values(&name);
        found
            .join_as(
                sea_orm::JoinType::InnerJoin,
                directory_users::Entity,
                MANAGER,
                Expr::col((MANAGER, Column::DirectoryId))
                    .eq(self.scope.directory())
                    .and(
                        Expr::col((MANAGER, Column::Id))
                            .equals((VALUES, directory_values::Column::Value)),
                    ),
            )
            .and_where(of_this_user());
        if part == "displayName" {
            found.column((MANAGER, Column::DisplayNameFolded));
        } else {
            let url = format!("{}{}/", self.base_url, ResourceType::User.endpoint());
            found.expr(joined(Expr::val(url), Expr::col((MANAGER, Column::Id))));
        }
        Expr::SubQuery(None, Box::new(found.into()))
    }
}

/// The alias of `directory_values` in a subquery.
const VALUES: &str = "v";
/// The condition of the partial index on values, to the letter.
const INDEXED: &str = "length(v.value) <= 512";

fn of_this_user() -> Expr {
    Expr::col((VALUES, directory_values::Column::DirectoryUserId))
        .equals((directory_users::Entity, directory_users::Column::Id))
}

fn joined(left: Expr, right: Expr) -> Expr {
    left.binary(BinOper::Custom("||"), right)
}

/// What a value is compared with, in the form in which values are stored.
struct Comparand {
    literal: Literal,
    /// Whether case does not count; the literal and what is stored are folded then.
    folded: bool,
}

impl Comparand {
    fn new(path: &AttributePath, literal: &Literal) -> Self {
        let literal = match literal {
            Literal::Text(text) if !path.leaf().case_exact => Literal::Text(fold(text)),
            other => other.clone(),
        };
        Self {
            literal,
            folded: !path.leaf().case_exact,
        }
    }

    /// Whether few rows are equal to it.
    fn is_selective(&self) -> bool {
        matches!(self.literal, Literal::Text(_))
    }

    fn is_indexed(&self) -> bool {
        matches!(&self.literal, Literal::Text(text) if text.chars().count() <= 512)
    }

    /// The comparison of a value that is there.
    fn compare(&self, value: Expr, operator: CompareOperator) -> Expr {
        match &self.literal {
            Literal::Text(text) => text::compare(value, operator, text),
            Literal::Boolean(boolean) => text::compare(value, operator, &boolean.to_string()),
            Literal::Instant(at) => text::compare_instant(value, operator, *at),
        }
    }

    /// The comparison of a text that is no column, decided here: on PostgreSQL it would have the collation
    /// of the database, in which `"` may count for nothing.
    fn holds_for_constant(&self, value: &str, operator: CompareOperator) -> Expr {
        text::always(match &self.literal {
            Literal::Text(text) if self.folded => operator.holds(&fold(value), text),
            Literal::Text(text) => operator.holds(value, text),
            // The parser lets only booleans and times be compared with these.
            Literal::Boolean(_) | Literal::Instant(_) => false,
        })
    }

    /// The comparison of a value that may be null: only `ne` holds for null. Never null itself, so that
    /// `not` means what it says.
    fn holds_for(&self, value: Expr, operator: CompareOperator) -> Expr {
        let compared = self.compare(value.clone(), operator);
        match operator {
            CompareOperator::NotEqual => value.is_null().or(compared),
            _ => value.is_not_null().and(compared),
        }
    }
}
