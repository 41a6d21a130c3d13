//! Filters on one element of a multi-valued attribute: `emails[type eq "work" and value co "@"]`, and all
//! filters on members and groups, whose elements are memberships.

use scim::{AttributePath, CompareOperator, Filter, Literal, ResourceType};
use sea_orm::Condition;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};

use super::text::never;
use super::{Comparand, INDEXED, Place, Target, VALUES, joined};
use crate::ids::{DirectoryUserId, GroupId};
use crate::store::entity::{directory_users, directory_values, groups, memberships};

/// What an element is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// An element of an attribute in `directory_values`.
    Value,
    /// A member of a group.
    OfGroup,
    /// A group of a user.
    GroupOfUser,
}

/// The elements of one attribute.
pub(super) struct Collection<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) path: AttributePath,
    pub(super) member: Member,
}

/// The alias of `directory_values` for a part of the element whose own row is [`VALUES`].
const PART: &str = "p";
/// The alias of `memberships`.
const LINK: &str = "m";

impl Collection<'_> {
    /// Whether the resource has an element that satisfies the filter.
    pub(super) fn any(&self, filter: &Filter) -> Expr {
        if let Some(found) = self.looked_up(filter) {
            return found;
        }
        let mut elements = self.elements();
        elements
            .expr(Expr::val(1_i32))
            .and_where(self.owner().eq(self.resource()))
            .cond_where(self.condition(filter));
        Expr::exists(elements)
    }

    pub(super) fn any_at_all(&self) -> Expr {
        let mut elements = self.elements();
        elements
            .expr(Expr::val(1_i32))
            .and_where(self.owner().eq(self.resource()));
        Expr::exists(elements)
    }

    /// By the index, where the filter wants a part of the element to equal a text.
    fn looked_up(&self, filter: &Filter) -> Option<Expr> {
        let (path, text) = wanted(filter)?;
        let mut elements = match self.member {
            Member::Value => {
                let literal = Comparand::new(&path, &Literal::Text(text));
                if !literal.is_indexed() {
                    return None;
                }
                let value = Expr::col((VALUES, directory_values::Column::Value));
                let mut parts = self.target.values(&path.to_string());
                parts
                    .and_where(literal.compare(value, CompareOperator::Equal))
                    .and_where(Expr::cust(INDEXED));
                parts
            }
            _ if path.leaf().name != "value" => return None,
            _ => self.elements(),
        };
        elements
            .expr(self.owner())
            .and_where(self.owner().is_not_null())
            .cond_where(self.condition(filter));
        Some(self.resource().in_subquery(elements))
    }

    fn elements(&self) -> SelectStatement {
        match self.member {
            Member::Value => self.target.values(&self.attribute().to_string()),
            Member::OfGroup | Member::GroupOfUser => Query::select()
                .from_as(memberships::Entity, LINK)
                .and_where(
                    Expr::col((LINK, memberships::Column::DirectoryId))
                        .eq(self.target.scope.directory()),
                )
                .to_owned(),
        }
    }

    fn attribute(&self) -> AttributePath {
        AttributePath {
            sub: None,
            ..self.path
        }
    }

    /// The resource that an element belongs to.
    fn owner(&self) -> Expr {
        match self.member {
            Member::Value => Expr::col((VALUES, directory_values::Column::DirectoryUserId)),
            Member::OfGroup => Expr::col((LINK, memberships::Column::GroupId)),
            Member::GroupOfUser => Expr::col((LINK, memberships::Column::MemberUserId)),
        }
    }

    fn resource(&self) -> Expr {
        match self.target.resource_type {
            ResourceType::User => Expr::col((directory_users::Entity, directory_users::Column::Id)),
            ResourceType::Group => Expr::col((groups::Entity, groups::Column::Id)),
        }
    }

    /// The filter on one element.
    fn condition(&self, filter: &Filter) -> Condition {
        match filter {
            Filter::And(all) => all
                .iter()
                .fold(Condition::all(), |sum, f| sum.add(self.condition(f))),
            Filter::Or(all) => all
                .iter()
                .fold(Condition::any(), |sum, f| sum.add(self.condition(f))),
            Filter::Not(inner) => Condition::all().add(self.condition(inner)).not(),
            Filter::Present(path) => Condition::all().add(match self.single(path) {
                Some(value) => value.is_not_null(),
                None => Expr::exists(self.part(path)),
            }),
            Filter::Compare {
                path,
                operator,
                value,
            } => Condition::all().add(self.compare(path, *operator, value)),
            // The grammar has no brackets inside of brackets.
            Filter::Element { .. } => Condition::all().add(never()),
        }
    }

    fn compare(&self, path: &AttributePath, operator: CompareOperator, literal: &Literal) -> Expr {
        if let Some(by_id) = self.by_member_id(path, operator, literal) {
            return by_id;
        }
        let literal = Comparand::new(path, literal);
        if path.leaf().name == "type" && self.member != Member::Value {
            return self.compare_kind(operator, &literal);
        }
        if let Some(value) = self.single(path) {
            return literal.holds_for(value, operator);
        }
        let value = Expr::col((PART, directory_values::Column::Value));
        let mut part = self.part(path);
        // An element has one value of a part, or none: `ne` is the opposite of `eq`.
        if operator == CompareOperator::NotEqual {
            part.and_where(literal.compare(value, CompareOperator::Equal));
            return Expr::exists(part).not();
        }
        part.and_where(literal.compare(value, operator));
        Expr::exists(part)
    }

    /// The comparison of a membership's `type`.
    fn compare_kind(&self, operator: CompareOperator, literal: &Comparand) -> Expr {
        if self.member == Member::GroupOfUser {
            return literal.holds_for_constant("direct", operator);
        }
        let is_user = Expr::col((LINK, memberships::Column::MemberUserId)).is_not_null();
        let [user, group] = [ResourceType::User, ResourceType::Group]
            .map(|kind| literal.holds_for_constant(kind.name(), operator));
        is_user.clone().and(user).or(is_user.not().and(group))
    }

    /// One part of the element whose row is [`VALUES`].
    fn part(&self, path: &AttributePath) -> SelectStatement {
        use directory_values::Column;
        Query::select()
            .expr(Expr::val(1_i32))
            .from_as(directory_values::Entity, PART)
            .and_where(Expr::col((PART, Column::DirectoryId)).eq(self.target.scope.directory()))
            .and_where(
                Expr::col((PART, Column::DirectoryUserId))
                    .equals((VALUES, Column::DirectoryUserId)),
            )
            .and_where(Expr::col((PART, Column::Path)).eq(path.to_string()))
            .and_where(Expr::col((PART, Column::Element)).equals((VALUES, Column::Element)))
            .to_owned()
    }

    /// `members.value eq "…"` by the index of the member's kind, which its id tells.
    fn by_member_id(
        &self,
        path: &AttributePath,
        operator: CompareOperator,
        literal: &Literal,
    ) -> Option<Expr> {
        let ("value", CompareOperator::Equal, Member::OfGroup, Literal::Text(id)) =
            (path.leaf().name, operator, self.member, literal)
        else {
            return None;
        };
        let column = |column| Expr::col((LINK, column));
        let (column, id) = if let Ok(id) = id.parse::<DirectoryUserId>() {
            (column(memberships::Column::MemberUserId), id.to_string())
        } else if let Ok(id) = id.parse::<GroupId>() {
            (column(memberships::Column::MemberGroupId), id.to_string())
        } else {
            return Some(never());
        };
        Some(column.clone().is_not_null().and(column.eq(id)))
    }

    /// The part of an element that is an expression on a row: of a membership, or one that the server
    /// computes.
    fn single(&self, path: &AttributePath) -> Option<Expr> {
        match (self.member, self.target.place(path)) {
            (Member::Value, Place::Single(value)) => Some(value),
            (Member::Value, _) => None,
            _ => Some(self.link(path)),
        }
    }

    /// A part of a membership, as it is rendered; null where it has none.
    fn link(&self, path: &AttributePath) -> Expr {
        use memberships::Column;
        let of_group = self.member == Member::OfGroup;
        let column = |column| Expr::col((LINK, column));
        let is_user = column(Column::MemberUserId).is_not_null();
        let either = |user: Expr, group: Expr| -> Expr {
            Expr::case(is_user.clone(), user).finally(group).into()
        };
        let url = |resource_type: ResourceType| {
            format!("{}{}/", self.target.base_url, resource_type.endpoint())
        };
        match path.leaf().name {
            "value" if of_group => column(Column::MemberId),
            "value" => column(Column::GroupId),
            // Only whether there is one: `compare_kind` compares it.
            "type" => column(Column::GroupId),
            "$ref" if of_group => {
                let start = either(
                    Expr::val(url(ResourceType::User)),
                    Expr::val(url(ResourceType::Group)),
                );
                joined(start, column(Column::MemberId))
            }
            "$ref" => joined(Expr::val(url(ResourceType::Group)), column(Column::GroupId)),
            _ if of_group => either(
                self.display_name_of_user(),
                self.display_name_of_group(Column::MemberGroupId),
            ),
            _ => self.display_name_of_group(Column::GroupId),
        }
    }

    fn display_name_of_user(&self) -> Expr {
        use directory_users::Column;
        const NAMED: &str = "named_user";
        let name = Query::select()
            .column((NAMED, Column::DisplayNameFolded))
            .from_as(directory_users::Entity, NAMED)
            .and_where(Expr::col((NAMED, Column::DirectoryId)).eq(self.target.scope.directory()))
            .and_where(
                Expr::col((NAMED, Column::Id)).equals((LINK, memberships::Column::MemberUserId)),
            )
            .to_owned();
        Expr::SubQuery(None, Box::new(name.into()))
    }

    fn display_name_of_group(&self, id: memberships::Column) -> Expr {
        use groups::Column;
        const NAMED: &str = "named_group";
        let name = Query::select()
            .column((NAMED, Column::DisplayNameFolded))
            .from_as(groups::Entity, NAMED)
            .and_where(Expr::col((NAMED, Column::DirectoryId)).eq(self.target.scope.directory()))
            .and_where(Expr::col((NAMED, Column::Id)).equals((LINK, id)))
            .to_owned();
        Expr::SubQuery(None, Box::new(name.into()))
    }
}

/// The part that must equal a text for the filter to hold: `value` before others, as it selects the least.
fn wanted(filter: &Filter) -> Option<(AttributePath, String)> {
    match filter {
        Filter::Compare {
            path,
            operator: CompareOperator::Equal,
            value: Literal::Text(text),
        } => Some((*path, text.clone())),
        Filter::And(all) => {
            let mut all: Vec<_> = all.iter().filter_map(wanted).collect();
            let value = all.iter().position(|(path, _)| path.leaf().name == "value");
            (!all.is_empty()).then(|| all.swap_remove(value.unwrap_or(0)))
        }
        _ => None,
    }
}
