//! The practice directory's page and its buttons.

use std::sync::Arc;

use askama::Template;
use poem::{
    Response, Route, get, handler,
    http::{StatusCode, header},
    post,
    web::{Data, Form},
};
use serde::Deserialize;

use super::{Change, Exchange, GroupRecord, PersonRecord};
use crate::{
    http::pages::Page,
    sandbox::{Sandbox, starting},
};

/// Everything below `/directory`.
pub(in crate::sandbox) fn routes() -> Route {
    Route::new().at("/", get(show)).at("/change", post(change))
}

#[derive(Template)]
#[template(path = "sandbox/directory.html")]
struct DirectoryPage {
    people: Vec<PersonRecord>,
    groups: Vec<GroupRecord>,
    log: Vec<Exchange>,
    base_url: String,
}

impl DirectoryPage {
    fn nothing_pushed(&self) -> bool {
        self.people.iter().all(|record| record.remote_id.is_none())
    }

    fn name_of<'a>(&'a self, id: &'a str) -> String {
        let record = self.people.iter().find(|record| record.person.id == id);
        record.map_or_else(|| id.to_owned(), |record| record.person.display_name())
    }

    /// Who can be added: pushed, and no member yet.
    fn others<'a>(&'a self, group: &'a GroupRecord) -> Vec<&'a PersonRecord> {
        let others = self.people.iter().filter(|record| {
            record.remote_id.is_some() && !group.members.contains(&record.person.id)
        });
        others.collect()
    }
}

#[handler]
async fn show(Data(sandbox): Data<&Arc<Sandbox>>) -> Page {
    let Some(ready) = sandbox.ready() else {
        return starting();
    };
    let (people, groups, log) = ready.directory.snapshot().await;
    let base_url = ready.seeded.scim_base_url.clone();
    Page::new(
        &DirectoryPage {
            people,
            groups,
            log,
            base_url,
        },
        StatusCode::OK,
    )
}

/// One button. Which fields count depends on `action`.
#[derive(Deserialize)]
struct ChangeForm {
    action: Action,
    #[serde(default)]
    person: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    PushEverything,
    SetTitle,
    Deactivate,
    Reactivate,
    DeletePerson,
    AddMember,
    RemoveMember,
    DeleteGroup,
}

impl From<ChangeForm> for Change {
    fn from(form: ChangeForm) -> Self {
        let ChangeForm {
            action,
            person,
            group,
            title,
        } = form;
        match action {
            Action::PushEverything => Self::PushEverything,
            Action::SetTitle => Self::SetTitle { person, title },
            Action::Deactivate => Self::SetActive {
                person,
                active: false,
            },
            Action::Reactivate => Self::SetActive {
                person,
                active: true,
            },
            Action::DeletePerson => Self::DeletePerson { person },
            Action::AddMember => Self::AddMember { group, person },
            Action::RemoveMember => Self::RemoveMember { group, person },
            Action::DeleteGroup => Self::DeleteGroup { group },
        }
    }
}

#[handler]
async fn change(Data(sandbox): Data<&Arc<Sandbox>>, Form(form): Form<ChangeForm>) -> Response {
    if let Some(ready) = sandbox.ready() {
        ready.directory.apply(&form.into()).await;
    }
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, "/directory#log")
        .finish()
}
