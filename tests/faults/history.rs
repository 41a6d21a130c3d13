//! Clients write at the same time while the gateway is killed again and again: what is there in the end is what some
//! serial order leaves.
//!
//! Each person is written by one client only, one request after the other, so that a serial order exists if it exists
//! for each person: an answered request has happened, one without an answer has or has not, and nothing else did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use integration::{Api, Dice, Tenon, events_tell_the_state, text};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::user;

const CLIENTS: usize = 8;
const REQUESTS_OF_EACH: usize = 60;
const KILLS: usize = 3;
const PEOPLE_OF_EACH: usize = 3;
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What may be there of a person; None is nobody.
type State = Option<Person>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Person {
    title: Option<String>,
    active: bool,
    teams: BTreeSet<String>,
}

/// What a client asks for about one person.
enum Wish {
    Create,
    Delete,
    Title(String),
    Active(bool),
    Join(String),
    Leave(String),
}

struct Client {
    scim: Api,
    dice: Dice,
    teams: Arc<Vec<String>>,
    /// By name: the id, and all states that are possible.
    people: BTreeMap<String, (String, BTreeSet<State>)>,
    answered: UnboundedSender<()>,
}

#[tokio::test]
async fn a_crowd_and_kill_9_leave_what_some_serial_order_leaves() {
    let mut tenon = Tenon::start().await;
    let api = tenon.api();
    let organization = api.organization("Acme", &["acme.example"]).await;
    let scim = Api::scim(&api.directory(&organization, "Acme").await);
    let mut teams = Vec::new();
    for name in ["Alpha", "Beta"] {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        teams.push(text(&scim.post("/Groups", body).await.expect(201)["id"]));
    }
    let teams = Arc::new(teams);

    let mut dice = Dice::thrown();
    let (answered, mut answers) = unbounded_channel();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = Client {
            scim: scim.clone(),
            dice: dice.another(),
            teams: teams.clone(),
            people: BTreeMap::new(),
            answered: answered.clone(),
        };
        clients.spawn(async move {
            for request in 0..REQUESTS_OF_EACH {
                let name = format!("user-{number}-{}@acme.example", request % PEOPLE_OF_EACH);
                client.go_on_with(name).await;
            }
            client.people
        });
    }
    drop(answered);
    for _ in 0..KILLS {
        for _ in 0..CLIENTS * REQUESTS_OF_EACH / (KILLS + 2) {
            answers.recv().await.expect("the clients go on");
        }
        tenon.kill().await;
        tenon.restart().await;
    }
    let mut people = BTreeMap::new();
    while let Some(of_one) = clients.join_next().await {
        people.extend(of_one.expect("no client failed"));
    }

    let users = list(&scim, "/Users").await;
    let there: BTreeMap<String, State> = users
        .iter()
        .map(|user| (text(&user["userName"]), Some(person(user))))
        .collect();
    assert_eq!(there.len(), users.len(), "nobody is there twice");
    assert!(
        there.keys().all(|name| people.contains_key(name)),
        "{there:?}"
    );
    for (name, (_, possible)) in &people {
        let state = there.get(name).cloned().flatten();
        assert!(
            possible.contains(&state),
            "{name} is {state:?}, not one of {possible:?}"
        );
    }
    // Both sides of a membership say the same, so there is no ghost.
    for group in list(&scim, "/Groups").await {
        let members = group["members"].as_array().into_iter().flatten();
        let members: BTreeSet<String> = members.map(|member| text(&member["value"])).collect();
        let expected = users.iter().filter(|user| {
            let person = person(user);
            person.teams.contains(&text(&group["id"]))
        });
        let expected: BTreeSet<String> = expected.map(|user| text(&user["id"])).collect();
        assert_eq!(members, expected, "{group}");
    }
    let told = events_tell_the_state(&api, &organization).await;
    assert_eq!(told.len(), users.len());
}

impl Client {
    /// One request about this person. A client that has lost its answer looks first, as directories do.
    async fn go_on_with(&mut self, name: String) {
        let nobody = (String::new(), BTreeSet::from([None]));
        let (id, possible) = self.people.remove(&name).unwrap_or(nobody);
        let wish = match possible.first() {
            Some(None) if possible.len() == 1 => Wish::Create,
            _ if possible.len() > 1 => {
                let seen = self.look(&name).await;
                let (id, state) =
                    seen.map_or((id, None), |user| (text(&user["id"]), Some(person(&user))));
                assert!(
                    possible.contains(&state),
                    "{name} is {state:?}, not one of {possible:?}"
                );
                self.people.insert(name, (id, BTreeSet::from([state])));
                return;
            }
            _ => self.wish(),
        };
        let (method, path, body) = wish.request(&name, &id);
        let request = self.scim.request(method, &path);
        let answer = match &body {
            Value::Null => request.send().await,
            body => request.json(body).send().await,
        };
        let after: BTreeSet<State> = possible.iter().map(|state| wish.done_to(state)).collect();
        // An answer that breaks off says as little as none.
        let answer = match answer {
            Ok(answer) => {
                let status = answer.status();
                answer.text().await.map(|body| (status, body))
            }
            Err(error) => Err(error),
        };
        let known = match answer {
            Ok((status, body)) => {
                assert!(status.is_success(), "{path}: {status} {body}");
                let id = match wish {
                    Wish::Create => {
                        let made: Value = serde_json::from_str(&body).expect("JSON");
                        text(&made["id"])
                    }
                    _ => id,
                };
                let _ = self.answered.send(());
                (id, after)
            }
            Err(_) => (id, possible.union(&after).cloned().collect()),
        };
        self.people.insert(name, known);
    }

    fn wish(&mut self) -> Wish {
        let team = self.dice.pick(&self.teams).clone();
        match self.dice.below(8) {
            0 => Wish::Delete,
            1 | 2 => Wish::Title(format!("Title {}", self.dice.below(1_000_000))),
            3 | 4 => Wish::Active(self.dice.one_in(2)),
            5 | 6 => Wish::Join(team),
            _ => Wish::Leave(team),
        }
    }

    /// Until the gateway is back.
    async fn look(&self, name: &str) -> Option<Value> {
        let path = format!(
            "/Users?filter=userName%20eq%20%22{}%22",
            name.replace('@', "%40")
        );
        for _ in 0..1_000 {
            let answer = self.scim.request(Method::GET, &path).send().await;
            if let Ok(answer) = answer
                && let Ok(body) = answer.text().await
            {
                let found: Value = serde_json::from_str(&body).expect("JSON");
                assert!(found["totalResults"].is_u64(), "{found}");
                return found["Resources"].get(0).cloned();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the gateway does not come back");
    }
}

impl Wish {
    fn request(&self, name: &str, id: &str) -> (Method, String, Value) {
        let patch = |operation: Value| json!({"schemas": [PATCH], "Operations": [operation]});
        let of_user = format!("/Users/{id}");
        match self {
            Self::Create => (Method::POST, "/Users".to_owned(), user(name)),
            Self::Delete => (Method::DELETE, of_user, Value::Null),
            Self::Title(title) => {
                let operation = json!({"op": "replace", "path": "title", "value": title});
                (Method::PATCH, of_user, patch(operation))
            }
            Self::Active(active) => {
                let operation = json!({"op": "replace", "value": {"active": active}});
                (Method::PATCH, of_user, patch(operation))
            }
            Self::Join(team) => {
                let operation = json!({"op": "add", "path": "members", "value": [{"value": id}]});
                (Method::PATCH, format!("/Groups/{team}"), patch(operation))
            }
            Self::Leave(team) => {
                let operation =
                    json!({"op": "remove", "path": "members", "value": [{"value": id}]});
                (Method::PATCH, format!("/Groups/{team}"), patch(operation))
            }
        }
    }

    fn done_to(&self, state: &State) -> State {
        let mut person = state.clone().unwrap_or_default();
        match self {
            Self::Create => person.active = true,
            Self::Delete => return None,
            Self::Title(title) => person.title = Some(title.clone()),
            Self::Active(active) => person.active = *active,
            Self::Join(team) => {
                person.teams.insert(team.clone());
            }
            Self::Leave(team) => {
                person.teams.remove(team);
            }
        }
        Some(person)
    }
}

fn person(user: &Value) -> Person {
    let teams = user["groups"].as_array().into_iter().flatten();
    Person {
        title: user["title"].as_str().map(str::to_owned),
        active: user["active"] == true,
        teams: teams.map(|team| text(&team["value"])).collect(),
    }
}

async fn list(scim: &Api, path: &str) -> Vec<Value> {
    let all = scim.get(&format!("{path}?count=1000")).await.expect(200);
    all["Resources"].as_array().expect("a list").clone()
}
