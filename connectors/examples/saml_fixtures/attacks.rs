use crate::Fixture;
use crate::message::{IDP, Message, NOW, REQUEST, metadata};

pub(crate) fn all() -> Vec<Fixture> {
    vec![Fixture {
        folder: "signature_invalid-changed-name".to_owned(),
        response: Some(
            Message::valid()
                .signed()
                .replace("pat@acme.example", "eve@acme.example")
                .into_bytes(),
        ),
        metadata: metadata(IDP, &["idp"]),
        case: format!(
            "about = \"x\"\nnow = \"{NOW}\"\nin_response_to = \"{REQUEST}\"\ncode = \"signature_invalid\"\n"
        ),
    }]
}
