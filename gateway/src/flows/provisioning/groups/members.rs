//! Membership operations as rows. Only those that can't be understood without it read who is a member.

use std::collections::{BTreeSet, HashMap, HashSet};

use scim::{Member, MemberOperation, ScimError};
use serde_json::Value;

use super::super::Push;
use crate::error::Error;
use crate::ids::{DirectoryUserId, GroupId, UserId};
use crate::model::Timestamp;
use crate::store::Tx;
use crate::store::memberships::{self, MemberRef};

/// Who came and who went, all operations of a request taken together.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) added: Vec<MemberRef>,
    pub(super) removed: Vec<MemberRef>,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    pub(super) fn growth(&self) -> i64 {
        let count = |members: &[MemberRef]| i64::try_from(members.len()).unwrap_or(i64::MAX);
        count(&self.added) - count(&self.removed)
    }

    /// The application's users among them.
    pub(super) fn users(&self) -> BTreeSet<UserId> {
        let users = self.all().filter_map(|member| match member {
            MemberRef::User { user_id, .. } => Some(*user_id),
            MemberRef::Group(_) => None,
        });
        users.collect()
    }

    /// The directory's users among them.
    pub(super) fn resources(&self) -> impl Iterator<Item = DirectoryUserId> {
        self.all().filter_map(|member| match member {
            MemberRef::User { id, .. } => Some(*id),
            MemberRef::Group(_) => None,
        })
    }

    fn all(&self) -> impl Iterator<Item = &MemberRef> {
        self.added.iter().chain(&self.removed)
    }
}

/// Who has moved so far, in which order and which way. Who leaves and comes back in one request has not.
#[derive(Default)]
struct Moves {
    of: HashMap<MemberRef, (usize, Way)>,
    count: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

impl Moves {
    fn follow(&mut self, members: Vec<MemberRef>, way: Way) {
        for member in members {
            self.count += 1;
            match self.of.remove(&member) {
                Some((_, before)) if before != way => {}
                _ => drop(self.of.insert(member, (self.count, way))),
            }
        }
    }

    fn into_delta(self) -> Delta {
        let mut moves: Vec<_> = self.of.into_iter().collect();
        moves.sort_unstable_by_key(|(_, (number, _))| *number);
        let (added, removed): (Vec<_>, Vec<_>) =
            moves.into_iter().partition(|(_, (_, way))| *way == Way::In);
        let members = |moves: Vec<(MemberRef, _)>| moves.into_iter().map(|(member, _)| member);
        Delta {
            added: members(added).collect(),
            removed: members(removed).collect(),
        }
    }
}

/// Does the operations in their order, on a group that is locked.
pub(super) async fn apply(
    push: &Push,
    tx: &Tx,
    group: GroupId,
    operations: Vec<MemberOperation>,
    now: Timestamp,
) -> Result<Delta, Error> {
    let mut moves = Moves::default();
    for operation in operations {
        let (removed, added) = match operation {
            MemberOperation::Add(members) => {
                (Vec::new(), add(push, tx, group, &members, now).await?)
            }
            MemberOperation::Remove(ids) => (remove(push, tx, group, &ids).await?, Vec::new()),
            MemberOperation::RemoveAll => {
                let ids = memberships::ids(tx, &push.scope, group).await?;
                (remove(push, tx, group, &ids).await?, Vec::new())
            }
            MemberOperation::Replace(members) => replace(push, tx, group, members, now).await?,
            MemberOperation::RemoveMatching(filter) => {
                let ids = matching(push, tx, group, &filter).await?;
                (remove(push, tx, group, &ids).await?, Vec::new())
            }
            MemberOperation::ReplaceMatching {
                filter,
                path,
                members,
            } => {
                let ids = matching(push, tx, group, &filter).await?;
                if ids.is_empty() {
                    return Err(ScimError::NoTarget { path }.into());
                }
                let removed = remove(push, tx, group, &ids).await?;
                (removed, add(push, tx, group, &members, now).await?)
            }
        };
        moves.follow(removed, Way::Out);
        moves.follow(added, Way::In);
    }
    Ok(moves.into_delta())
}

async fn add(
    push: &Push,
    tx: &Tx,
    group: GroupId,
    members: &[Member],
    now: Timestamp,
) -> Result<Vec<MemberRef>, Error> {
    let members = known(push, tx, members).await?;
    Ok(memberships::add(tx, &push.scope, group, &members, now).await?)
}

async fn remove(
    push: &Push,
    tx: &Tx,
    group: GroupId,
    ids: &[String],
) -> Result<Vec<MemberRef>, Error> {
    let members = memberships::resolve(tx, &push.scope, ids.iter().map(String::as_str)).await?;
    Ok(memberships::remove(tx, &push.scope, group, &members).await?)
}

/// Only the difference is written.
async fn replace(
    push: &Push,
    tx: &Tx,
    group: GroupId,
    members: Vec<Member>,
    now: Timestamp,
) -> Result<(Vec<MemberRef>, Vec<MemberRef>), Error> {
    let present: HashSet<String> = memberships::ids(tx, &push.scope, group)
        .await?
        .into_iter()
        .collect();
    let wanted: HashSet<&str> = members.iter().map(|member| member.value.as_str()).collect();
    let gone: Vec<String> = present
        .iter()
        .filter(|id| !wanted.contains(id.as_str()))
        .cloned()
        .collect();
    let removed = remove(push, tx, group, &gone).await?;
    let members = members.into_iter();
    let new: Vec<Member> = members
        .filter(|member| !present.contains(&member.value))
        .collect();
    Ok((removed, add(push, tx, group, &new, now).await?))
}

/// The ids of the members that a filter selects. Where it names whom it is about, nobody else is read.
async fn matching(
    push: &Push,
    tx: &Tx,
    group: GroupId,
    filter: &scim::Filter,
) -> Result<Vec<String>, Error> {
    let base_url = push.base_url();
    let links = match scim::member_candidates(filter) {
        Some(ids) => memberships::links_among(tx, &push.scope, group, &ids).await?,
        None => {
            let links = memberships::links(tx, &push.scope, &[group]).await?;
            links.into_values().flatten().collect()
        }
    };
    Ok(links
        .into_iter()
        .filter(|link| match link.render(&base_url) {
            Value::Object(element) => scim::filter::matches_element(filter, &element),
            _ => false,
        })
        .map(|link| link.id)
        .collect())
}

/// These members, in the order given.
///
/// Errors: 400 `invalidValue` for one that the directory has not, be it another directory's or nobody's.
pub(super) async fn known(
    push: &Push,
    tx: &Tx,
    members: &[Member],
) -> Result<Vec<MemberRef>, Error> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let ids = members.iter().map(|member| member.value.as_str());
    let found = memberships::resolve(tx, &push.scope, ids).await?;
    let mut found: HashMap<String, MemberRef> = found
        .into_iter()
        .map(|member| (member.id(), member))
        .collect();
    let known = members.iter().map(|member| {
        found.remove(&member.value).ok_or_else(|| {
            let problem = format!("{:?} is no user or group of this directory", member.value);
            Error::from(ScimError::ValueInvalid {
                attribute: "members.value".to_owned(),
                problem,
            })
        })
    });
    known.collect()
}
