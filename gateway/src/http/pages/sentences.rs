//! What a person is told for each code (PORTAL.md section 2, H6): one sentence with its next step.

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mender {
    User,
    It,
    App,
}

/// The names that the sentences mention.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    pub app: &'a str,
    pub org: &'a str,
    pub email: Option<&'a str>,
}

/// The sentence for a code, and who can mend it. A code that is not one of CONTRACT section 8's is a fault
/// of our own.
pub fn sentence(code: &str, situation: &Situation<'_>) -> (String, Mender) {
    let Situation { app, org, email } = situation;
    match code {
        "idp_status" | "idp_error" => (
            format!(
                "Your company's sign-in service didn't let you into {app}. Ask IT to assign you to {app}."
            ),
            Mender::It,
        ),
        "email_domain_not_allowed" | "tenant_mismatch" => {
            let who = match email {
                Some(email) => format!("You signed in as {email}, which isn't an address"),
                None => "You signed in with an account that isn't one".to_owned(),
            };
            (format!("{who} {org} uses for {app}."), Mender::User)
        }
        "email_missing" | "subject_missing" | "subject_transient" | "attribute_missing" => (
            format!(
                "Your company's sign-in service didn't tell us who you are. IT needs to add it to the \
                 {app} setup."
            ),
            Mender::It,
        ),
        "response_malformed" | "response_too_large" | "response_missing" | "dtd_forbidden"
        | "assertion_missing" | "assertion_ambiguous" | "audience_mismatch" | "recipient_mismatch"
        | "destination_mismatch" | "issuer_mismatch" | "subject_confirmation_invalid"
        | "token_invalid" => (
            format!(
                "Single sign-on for {org} isn't set up correctly yet. Send this code to your IT team."
            ),
            Mender::It,
        ),
        "signature_missing" | "signature_invalid" | "signature_algorithm_forbidden"
        | "certificate_unknown" | "certificate_expired" | "decryption_failed"
        | "encryption_required" | "encryption_algorithm_forbidden" => (
            format!(
                "The sign-in certificate of {org} needs attention. Send this code to your IT team."
            ),
            Mender::It,
        ),
        "assertion_not_yet_valid" | "assertion_expired" => (
            "The clocks of the two sign-in services disagree. Try again in a minute; if it persists \
             tell IT."
                .to_owned(),
            Mender::It,
        ),
        "login_expired" | "assertion_replayed" | "in_response_to_mismatch" | "browser_mismatch"
        | "state_mismatch" | "nonce_mismatch" => (
            format!("This sign-in took too long or was already used. Start again from {app}."),
            Mender::User,
        ),
        "idp_initiated_forbidden" => (
            format!("Start from {app}: your company's tile can't open it directly."),
            Mender::User,
        ),
        "connection_inactive" => {
            (format!("Single sign-on for {org} is turned off at the moment."), Mender::It)
        }
        "user_deactivated" | "user_not_provisioned" => {
            (format!("Your account for {app} isn't active at {org}. Ask your IT team."), Mender::It)
        }
        "user_mismatch" => (
            format!("You signed in with another account than {app} asked for."),
            Mender::User,
        ),
        "idp_unreachable" => unanswered("no connection"),
        "token_exchange_failed" => unanswered("it did not accept its own code"),
        "discovery_invalid" => unanswered("its settings can't be read"),
        _ => (
            "Something broke on our side. Nothing is wrong with your account.".to_owned(),
            Mender::App,
        ),
    }
}

/// The status is ours, in a few words: what the provider or the network said stands in the trace.
fn unanswered(status: &str) -> (String, Mender) {
    let text =
        format!("Your company's sign-in service didn't answer. Try again; status: {status}.");
    (text, Mender::It)
}
