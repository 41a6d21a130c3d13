//! What time does to the proof of a domain (SECURITY-MODEL G3, PORTAL P5): on both databases, and by two replicas
//! where there can be two.

use std::time::Duration;

use gateway::{
    flows::{
        domains::{self, NewDomain, Occasion, recheck},
        organizations::{self, NewOrganization},
    },
    ids::DomainId,
    model::{Cause, Domain, DomainCheckResult, DomainState},
    store::{
        self, OrgScope,
        feed::{self, After},
    },
};
use integration::{DatabaseKind, InProcess, NameServer};
use serde_json::Value;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NAME: &str = "_tenon-challenge.acme.example";

struct World {
    dns: NameServer,
    tenon: InProcess,
    scope: OrgScope,
    id: DomainId,
}

impl World {
    /// One organization that claims acme.example.
    async fn with_claim() -> Self {
        let dns = NameServer::start().await;
        let tenon = InProcess::asking(&dns).await;
        let scope = organization(&tenon, "Acme").await;
        let id = claim(&tenon, &scope, false).await;
        Self {
            dns,
            tenon,
            scope,
            id,
        }
    }

    async fn with_proof() -> Self {
        let world = Self::with_claim().await;
        world.publish().await;
        world.after(HOUR).await;
        assert_eq!(world.domain().await.state, DomainState::Verified);
        world
    }

    async fn publish(&self) {
        let record = self.domain().await.txt_record;
        self.dns.txt(&record.name, &record.value);
    }

    async fn domain(&self) -> Domain {
        find(&self.tenon, &self.scope, self.id).await
    }

    /// One round of every replica at once, when so much time has passed.
    async fn after(&self, time: Duration) {
        self.tenon.clock.advance(time);
        if DatabaseKind::of_this_run() == DatabaseKind::Postgres {
            let other = self.tenon.replica().await;
            let (one, two) =
                tokio::join!(recheck::once(&self.tenon.app), recheck::once(&other.app));
            one.and(two).expect("a round");
            // What the other one wrote reaches this one's memory within a second; now.
            let caught_up = self.tenon.app.store.refresh_routing().await;
            caught_up.expect("the database answers");
        } else {
            recheck::once(&self.tenon.app).await.expect("a round");
        }
    }

    fn routes(&self) -> bool {
        self.tenon
            .app
            .store
            .route_of_domain("acme.example")
            .is_some()
    }

    async fn event_types(&self) -> Vec<String> {
        event_types(&self.tenon, &self.scope).await
    }
}

async fn organization(tenon: &InProcess, name: &str) -> OrgScope {
    let app = &tenon.app;
    let new = NewOrganization {
        name: name.to_owned(),
        slug: None,
        external_id: None,
        domains: Vec::new(),
        metadata: Default::default(),
    };
    let tx = app.store.begin().await.expect("the database answers");
    let made = organizations::create(app, &tx, new, &Cause::system("test")).await;
    let scope = app
        .store
        .organization_named(made.expect("an organization").id);
    tx.commit().await.expect("it commits");
    scope
}

async fn claim(tenon: &InProcess, scope: &OrgScope, trusted: bool) -> DomainId {
    let app = &tenon.app;
    let new = NewDomain {
        trusted,
        ..NewDomain::trusted("acme.example".to_owned())
    };
    let tx = app.store.begin().await.expect("the database answers");
    let domain = domains::add(app, &tx, scope, new, &Cause::system("test")).await;
    tx.commit().await.expect("it commits");
    domain.expect("a domain").id
}

async fn find(tenon: &InProcess, scope: &OrgScope, id: DomainId) -> Domain {
    let found = store::domains::find(&tenon.app.store.read(), scope, id).await;
    found.expect("the database answers").expect("the domain")
}

async fn event_types(tenon: &InProcess, scope: &OrgScope) -> Vec<String> {
    let store = &tenon.app.store;
    feed::sequence(store).await.expect("the database answers");
    let start = After::Sequence(0);
    let events = feed::read(&store.read(), Some(scope), start, &[], 1000).await;
    let events = events.expect("the database answers");
    let kinds = events.into_iter().map(|event| {
        let event: Value = serde_json::from_str(&event.body).expect("JSON");
        integration::text(&event["type"])
    });
    kinds.filter(|kind| kind.starts_with("domain.")).collect()
}

#[tokio::test]
async fn a_claim_is_looked_for_by_itself_for_two_weeks() {
    let world = World::with_claim().await;
    world.after(HOUR / 2).await;
    assert_eq!(world.domain().await.last_check, None, "looked too early");
    world.after(HOUR).await;
    let domain = world.domain().await;
    assert_eq!(domain.state, DomainState::Pending);
    let check = domain.last_check.expect("a look");
    assert_eq!(check.result, DomainCheckResult::NoSuchDomain);

    world.publish().await;
    world.after(HOUR / 2).await;
    assert!(!world.routes(), "looked twice within an hour");
    world.after(HOUR).await;
    assert_eq!(world.domain().await.state, DomainState::Verified);
    assert!(world.routes());
    assert_eq!(
        world.event_types().await,
        ["domain.created", "domain.verified"]
    );
}

#[tokio::test]
async fn a_claim_that_nobody_proves_fails_and_is_left_alone() {
    let world = World::with_claim().await;
    for _ in 0..15 {
        world.after(DAY).await;
    }
    assert_eq!(world.domain().await.state, DomainState::Failed);
    assert_eq!(
        world.event_types().await,
        ["domain.created", "domain.failed"]
    );
    world.publish().await;
    world.after(30 * DAY).await;
    assert_eq!(world.domain().await.state, DomainState::Failed);
}

#[tokio::test]
async fn a_proof_that_is_lost_has_seven_days_and_comes_back_by_itself() {
    let world = World::with_proof().await;
    world.dns.withdraw(NAME);
    world.after(DAY).await;
    let missing = world.domain().await;
    assert_eq!(missing.state, DomainState::Verified);
    assert!(missing.missing_since.is_some());
    assert!(world.routes(), "seven days of grace");

    // Found again in time: nothing has happened.
    world.publish().await;
    world.after(DAY).await;
    assert_eq!(world.domain().await.missing_since, None);

    world.dns.withdraw(NAME);
    for _ in 0..7 {
        world.after(DAY).await;
        assert_eq!(world.domain().await.state, DomainState::Verified);
    }
    world.after(DAY).await;
    let lost = world.domain().await;
    assert_eq!((lost.state, lost.verified_at), (DomainState::Failed, None));
    assert!(!world.routes());

    world.after(30 * DAY).await;
    world.publish().await;
    world.after(DAY).await;
    let back = world.domain().await;
    assert_eq!(
        (back.state, back.missing_since),
        (DomainState::Verified, None)
    );
    assert!(world.routes());
    let told = world.event_types().await;
    assert_eq!(
        told,
        [
            "domain.created",
            "domain.verified",
            "domain.failed",
            "domain.verified"
        ]
    );
}

#[tokio::test]
async fn a_name_server_that_fails_for_some_days_loses_no_proof() {
    let world = World::with_proof().await;
    for _ in 0..2 {
        world.dns.fail(NAME);
        for _ in 0..7 {
            world.after(DAY).await;
        }
        let domain = world.domain().await;
        assert_eq!(domain.state, DomainState::Verified);
        assert_eq!(domain.missing_since, None);
        let check = domain.last_check.expect("a look");
        assert_eq!(check.result, DomainCheckResult::Unavailable);
        assert!(check.unanswered_since.is_some());
        // One answer, and the days count from anew.
        world.dns.withdraw(NAME);
        world.publish().await;
        world.after(DAY).await;
        let check = world.domain().await.last_check.expect("a look");
        assert_eq!(check.result, DomainCheckResult::Found);
        assert_eq!(check.unanswered_since, None);
    }
}

#[tokio::test]
async fn a_name_server_that_never_answers_again_is_a_record_that_is_gone() {
    let world = World::with_proof().await;
    world.dns.fail(NAME);
    for _ in 0..7 {
        world.after(DAY).await;
        assert_eq!(world.domain().await.missing_since, None);
    }
    for _ in 0..7 {
        world.after(DAY).await;
        let domain = world.domain().await;
        assert_eq!(domain.state, DomainState::Verified);
        assert!(domain.missing_since.is_some() && world.routes());
    }
    world.after(DAY).await;
    assert_eq!(world.domain().await.state, DomainState::Failed);
    assert!(!world.routes());

    world.dns.withdraw(NAME);
    world.publish().await;
    world.after(DAY).await;
    assert_eq!(world.domain().await.state, DomainState::Verified);
    assert!(world.routes());
}

#[tokio::test]
async fn a_domain_that_the_application_vouches_for_is_not_looked_at() {
    let dns = NameServer::start().await;
    let tenon = InProcess::asking(&dns).await;
    let scope = organization(&tenon, "Acme").await;
    let id = claim(&tenon, &scope, true).await;
    tenon.clock.advance(30 * DAY);
    recheck::once(&tenon.app).await.expect("a round");
    let domain = find(&tenon, &scope, id).await;
    assert_eq!(
        (domain.state, domain.last_check),
        (DomainState::Verified, None)
    );
}

/// The holder's record is gone: another organization may claim, and its proof takes over at once.
#[tokio::test]
async fn a_claim_beside_a_lost_record_takes_over_without_anybody_asking() {
    let world = World::with_proof().await;
    world.dns.withdraw(NAME);
    world.after(DAY).await;
    let next = organization(&world.tenon, "Next").await;
    let id = claim(&world.tenon, &next, false).await;
    let record = find(&world.tenon, &next, id).await.txt_record;
    world.dns.txt(&record.name, &record.value);

    world.after(HOUR).await;
    assert_eq!(
        find(&world.tenon, &next, id).await.state,
        DomainState::Verified
    );
    let lost = world.domain().await;
    assert_eq!(lost.state, DomainState::Failed);
    let check = lost.last_check.expect("a verdict");
    assert_eq!(check.result, DomainCheckResult::Taken);
    let told = world.event_types().await;
    assert_eq!(told.last().map(String::as_str), Some("domain.failed"));

    // Back, beside the new owner's: not taken back, which its owner can read.
    world.publish().await;
    world.after(DAY).await;
    let lost = world.domain().await;
    assert_eq!(lost.state, DomainState::Failed);
    let check = lost.last_check.expect("a look");
    assert_eq!(check.result, DomainCheckResult::Taken);
    let owner = world.tenon.app.store.route_of_domain("acme.example");
    assert_eq!(owner.expect("a route").scope, next);
}

/// PORTAL P5: each state explains itself.
#[tokio::test]
async fn a_look_says_what_is_wrong_and_what_to_do() {
    let world = World::with_claim().await;
    let value = world.domain().await.txt_record.value;
    let look = async |says: &str| {
        let domain = world.domain().await;
        let app = &world.tenon.app;
        let look = domains::look(app, &domain).await;
        let tx = app.store.begin().await.expect("the database answers");
        let (asked, cause) = (Occasion::Asked, Cause::system("test"));
        let after = domains::conclude(app, &tx, &world.scope, world.id, &look, asked, &cause);
        let check = after.await.expect("a verdict").last_check.expect("a look");
        tx.commit().await.expect("it commits");
        assert!(check.message.contains(says), "{check:?}");
        check
    };
    use DomainCheckResult::{Found, Misplaced, NoRecord, NoSuchDomain, OtherValue, Unavailable};
    let dns = &world.dns;
    assert_eq!(look("not in DNS").await.result, NoSuchDomain);
    dns.exists("acme.example");
    assert_eq!(look("no TXT record").await.result, NoRecord);
    dns.alias(NAME, "parked.host.example");
    assert_eq!(
        look("alias (CNAME) of parked.host.example").await.result,
        NoRecord
    );
    dns.withdraw(NAME);

    let doubled = "_tenon-challenge.acme.example.acme.example";
    dns.txt(doubled, &value);
    let check = look("enter only _tenon-challenge as the host").await;
    assert_eq!((check.result, check.name.as_str()), (Misplaced, doubled));
    dns.withdraw(doubled);
    dns.txt("acme.example", &value);
    assert_eq!(look("move it to the host").await.result, Misplaced);

    dns.txt(NAME, "v=spf1 -all");
    assert_eq!(look("another value").await.result, OtherValue);
    dns.txt(NAME, "tenon-verification=old");
    let check = look("more than one value").await;
    assert_eq!(check.found, ["v=spf1 -all", "tenon-verification=old"]);

    dns.fail(NAME);
    assert_eq!(
        look("says nothing about the record").await.result,
        Unavailable
    );
    dns.withdraw(NAME);

    // Consoles add quotes; the alias of a host that answers for challenges is as good as the record.
    dns.alias(NAME, "challenges.host.example");
    dns.txt("challenges.host.example", &format!("\"{value}\""));
    assert_eq!(look("The record is there").await.result, Found);
    assert_eq!(world.domain().await.state, DomainState::Verified);
}
