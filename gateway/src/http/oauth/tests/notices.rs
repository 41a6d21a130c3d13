//! What an application is told of ended sessions, when it can't be told.

use chrono::TimeDelta;

use super::desk::Desk;
use crate::flows::logout::notices;

#[tokio::test]
async fn a_notice_that_nobody_takes_is_given_up_and_counted() {
    let mut desk = Desk::open().await;
    desk.client = desk
        .application(|stored| {
            // Refused before a connection.
            let uri = "https://127.0.0.1/logout".to_owned();
            stored.application.backchannel_logout_uri = Some(uri);
        })
        .await;
    let code = desk.code().await;
    desk.redeem(&code).await.ok();
    desk.deactivate_user().await;
    let abandoned = || {
        let text = desk.app.metrics.render().unwrap();
        text.contains("logout_notices_abandoned_total 1")
    };
    let mut attempts = 0;
    while !abandoned() {
        assert_eq!(notices::tell_due(&desk.app).await.unwrap(), 1);
        assert_eq!(notices::tell_due(&desk.app).await.unwrap(), 0);
        attempts += 1;
        desk.advance(TimeDelta::days(2));
    }
    assert_eq!(attempts, 12, "the schedule of webhooks");
    assert_eq!(notices::tell_due(&desk.app).await.unwrap(), 0);
}
