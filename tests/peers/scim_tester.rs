//! scim2-tester and scim-sanity find nothing to complain about.

use integration::{
    Tenon,
    peers::{scim_sanity, scim_tester},
};

#[tokio::test]
async fn scim2_tester_passes_without_a_failure() {
    let tenon = Tenon::start().await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let directory = tenon.api().directory(&organization, "Tester").await;
    println!("{}", scim_tester(&directory).await);
}

#[tokio::test]
async fn scim_sanity_passes_without_a_failure() {
    let tenon = Tenon::start().await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let directory = tenon.api().directory(&organization, "Tester").await;
    println!("{}", scim_sanity(&directory).await);
}
