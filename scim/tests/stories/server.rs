//! A SCIM server in memory: everything it holds is a list, everything it decides this crate decided.

use chrono::{DateTime, Utc};
use scim::{
    ErrorResponse, Group, GroupLink, GroupPatch, ListQuery, ListResponse, ManagerLink, Member,
    MemberLink, Meta, PatchRequest, Projection, ResourceType, ScimError, ScimType, User, UserLinks,
    discovery, fold,
};
use serde_json::{Map, Value};

const BASE: &str = "https://sso.example/scim/v2/dir_1";

#[derive(Default)]
pub(crate) struct Server {
    users: Vec<(Meta, User)>,
    groups: Vec<(Meta, Group, Vec<Member>)>,
    made: u64,
}

type Answer = Result<(u16, Value), ErrorResponse>;

impl Server {
    /// The status and body, null where there is none.
    pub(crate) fn answer(&mut self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        match self.route(method, target, body) {
            Ok(answer) => answer,
            Err(error) => (error.status, error.to_json()),
        }
    }

    fn route(&mut self, method: &str, target: &str, body: &Value) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parameters: Vec<(String, String)> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let parameters = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let query = ListQuery::from_parameters(parameters).map_err(refusal)?;
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let resource_type = ResourceType::ALL
            .into_iter()
            .find(|t| t.endpoint() == format!("/{}", segments[0]));
        match (method, resource_type, segments.as_slice()) {
            ("GET", None, _) => discover(&segments),
            ("GET", Some(t), [_]) => self.list(t, &query),
            ("GET", Some(t), [_, id]) => self.show(t, id, &query.projection),
            ("POST", Some(t), [_]) => {
                let id = self.create(t, body)?;
                Ok((201, self.show(t, &id, &query.projection)?.1))
            }
            ("PUT" | "PATCH", Some(t), [_, id]) => {
                self.change(t, id, body, method == "PUT")?;
                self.show(t, id, &query.projection)
            }
            ("DELETE", Some(t), [_, id]) => self.delete(t, id),
            _ => Err(ErrorResponse::new(405, None, "not here")),
        }
    }

    fn create(
        &mut self,
        resource_type: ResourceType,
        body: &Value,
    ) -> Result<String, ErrorResponse> {
        self.made += 1;
        let id = format!(
            "{}_{:026}",
            if resource_type == ResourceType::User {
                "dusr"
            } else {
                "grp"
            },
            self.made
        );
        let now = DateTime::<Utc>::from_timestamp(1_795_339_800, 0).expect("a time");
        let meta = Meta {
            id: id.clone(),
            created: now,
            last_modified: now,
            version: 1,
        };
        match resource_type {
            ResourceType::User => {
                let user = User::parse(body, &Default::default()).map_err(refusal)?;
                self.check_name(&id, &user)?;
                self.users.push((meta, user));
            }
            ResourceType::Group => {
                let (group, members) = Group::parse(body, &Default::default()).map_err(refusal)?;
                self.check_members(&members)?;
                self.groups.push((meta, group, members));
            }
        }
        Ok(id)
    }

    fn change(
        &mut self,
        resource_type: ResourceType,
        id: &str,
        body: &Value,
        whole: bool,
    ) -> Result<(), ErrorResponse> {
        match resource_type {
            ResourceType::User => {
                let index = self
                    .users
                    .iter()
                    .position(|(m, _)| m.id == id)
                    .ok_or_else(missing)?;
                let before = &self.users[index].1;
                let user = if whole {
                    before.parse_replacement(body, &Default::default())
                } else {
                    PatchRequest::parse(resource_type, body, &Default::default())
                        .and_then(|request| request.apply_to_user(id, before, &Default::default()))
                };
                let user = user.map_err(refusal)?;
                self.check_name(id, &user)?;
                self.users[index].1 = user;
            }
            ResourceType::Group => {
                let index = self
                    .groups
                    .iter()
                    .position(|(m, ..)| m.id == id)
                    .ok_or_else(missing)?;
                let (_, before, members) = &self.groups[index];
                let (group, members) = if whole {
                    Group::parse(body, &Default::default()).map_err(refusal)?
                } else {
                    let patch = PatchRequest::parse(resource_type, body, &Default::default())
                        .and_then(|request| {
                            request.apply_to_group(id, before, &Default::default())
                        });
                    let GroupPatch {
                        group,
                        members: plan,
                    } = patch.map_err(refusal)?;
                    let mut members = members.clone();
                    plan.iter()
                        .for_each(|operation| operation.apply(&mut members));
                    (group, members)
                };
                self.check_members(&members)?;
                (self.groups[index].1, self.groups[index].2) = (group, members);
            }
        }
        Ok(())
    }

    fn delete(&mut self, resource_type: ResourceType, id: &str) -> Answer {
        self.show(resource_type, id, &Projection::All)?;
        self.users.retain(|(meta, _)| meta.id != id);
        self.groups.retain(|(meta, ..)| meta.id != id);
        self.groups
            .iter_mut()
            .for_each(|(_, _, members)| members.retain(|m| m.value != id));
        Ok((204, Value::Null))
    }

    fn list(&self, resource_type: ResourceType, query: &ListQuery) -> Answer {
        let filter = query
            .filter(resource_type, &Default::default())
            .map_err(refusal)?;
        let sort = query.sort(resource_type).map_err(refusal)?;
        let mut all = self.render_all(resource_type);
        all.retain(|resource| filter.as_ref().is_none_or(|f| f.matches(resource)));
        if let Some(sort) = sort {
            all.sort_by(|left, right| sort.compare(left, right));
        }
        let (total, first) = (all.len(), query.start_index - 1);
        let page = all.into_iter().skip(first).take(query.count);
        let page = page
            .map(|r| Value::Object(query.projection.apply(resource_type, r)))
            .collect();
        Ok((
            200,
            ListResponse::page(total, query.start_index, page).into_json(),
        ))
    }

    fn show(&self, resource_type: ResourceType, id: &str, projection: &Projection) -> Answer {
        let mut all = self.render_all(resource_type).into_iter();
        let resource = all
            .find(|resource| resource["id"] == id)
            .ok_or_else(missing)?;
        Ok((
            200,
            Value::Object(projection.apply(resource_type, resource)),
        ))
    }

    fn render_all(&self, resource_type: ResourceType) -> Vec<Map<String, Value>> {
        match resource_type {
            ResourceType::User => self
                .users
                .iter()
                .map(|user| self.render_user(user))
                .collect(),
            ResourceType::Group => self
                .groups
                .iter()
                .map(|(meta, group, members)| {
                    let links: Vec<_> = members.iter().map(|m| self.link(&m.value)).collect();
                    group.render(BASE, meta, Some(&links))
                })
                .collect(),
        }
    }

    fn render_user(&self, (meta, user): &(Meta, User)) -> Map<String, Value> {
        let lists = |members: &[Member]| members.iter().any(|m| m.value == meta.id);
        let of_user = self.groups.iter().filter(|(_, _, members)| lists(members));
        let groups = of_user.map(|(meta, group, _)| GroupLink {
            id: meta.id.clone(),
            display_name: group.display_name().to_owned(),
        });
        let manager = self
            .users
            .iter()
            .find(|(meta, _)| Some(meta.id.as_str()) == user.manager());
        let links = UserLinks {
            groups: Some(groups.collect()),
            manager: manager.map(|(_, manager)| ManagerLink {
                display_name: manager.display_name().map(str::to_owned),
            }),
        };
        user.render(BASE, meta, &links)
    }

    fn link(&self, id: &str) -> MemberLink {
        let user = self.users.iter().find(|(meta, _)| meta.id == id);
        MemberLink {
            id: id.to_owned(),
            resource_type: if user.is_some() {
                ResourceType::User
            } else {
                ResourceType::Group
            },
            display_name: user
                .and_then(|(_, user)| user.display_name())
                .map(str::to_owned),
        }
    }

    fn check_name(&self, id: &str, user: &User) -> Result<(), ErrorResponse> {
        let folded = fold(user.user_name());
        let taken = self
            .users
            .iter()
            .any(|(m, u)| m.id != id && fold(u.user_name()) == folded);
        let conflict = || ErrorResponse::new(409, Some(ScimType::Uniqueness), "userName is taken");
        if taken { Err(conflict()) } else { Ok(()) }
    }

    fn check_members(&self, members: &[Member]) -> Result<(), ErrorResponse> {
        let known = |id: &str| {
            self.users.iter().any(|(m, _)| m.id == id)
                || self.groups.iter().any(|(m, ..)| m.id == id)
        };
        match members.iter().find(|member| !known(&member.value)) {
            Some(stranger) => {
                let detail = format!("{} is nobody here", stranger.value);
                Err(ErrorResponse::new(
                    400,
                    Some(ScimType::InvalidValue),
                    detail,
                ))
            }
            None => Ok(()),
        }
    }
}

fn discover(segments: &[&str]) -> Answer {
    let capabilities = discovery::Capabilities {
        bulk: None,
        cursor_timeout: None,
    };
    let document = match segments {
        ["ServiceProviderConfig"] => Some(discovery::service_provider_config(BASE, capabilities)),
        ["ResourceTypes", name] => {
            ResourceType::named(name).map(|t| discovery::resource_type(BASE, t))
        }
        ["Schemas", urn] => discovery::schema(BASE, urn),
        _ => None,
    };
    document.map(|document| (200, document)).ok_or_else(missing)
}

fn refusal(error: ScimError) -> ErrorResponse {
    ErrorResponse::from(&error)
}

fn missing() -> ErrorResponse {
    ErrorResponse::new(404, None, "there is no such resource")
}

/// Percent signs and pluses, as in a query.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("a percent code"));
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}
