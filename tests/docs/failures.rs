//! `docs/reference/failures.md`, from the table of failures.

use std::fmt::Write;

use vestibule::base::failure::{Channel, FailureCode, Owner};

use super::{COMMAND, assert_current};

/// The parts of a login, by the first word of a step, in the order in which they come.
const PARTS: &[(&str, &str)] = &[
    ("authorize", "The application's request"),
    ("callback", "The answer of the identity provider"),
    ("network", "The way to the identity provider"),
    ("discovery", "Discovery"),
    ("token_endpoint", "The token endpoint"),
    ("jwks", "Signing keys"),
    ("id_token", "The ID token"),
    ("userinfo", "Userinfo"),
    ("profile", "The profile"),
    ("consent", "Consent"),
    ("session", "Time"),
    ("logout_token", "Logging out at the identity provider's word"),
    ("oauth", "OAuth providers"),
    ("internal", "Vestibule itself"),
];

#[test]
fn the_reference_of_failures_is_current() {
    let mut text = format!(
        "<!-- Made from src/base/failure.rs by `{COMMAND}`. -->\n\n\
         # Failures of a login\n\n\
         A login that fails has one of these codes. The trace of the login holds it with what was \
         expected and what came: `GET /sso_sessions` lists the attempts, `GET /sso_sessions/{{id}}` shows one.\n\n\
         Each code has an owner, who can mend it, and three texts: for the person who signs in, \
         for the customer's IT administrator, and for the developer of the application, who gets \
         it as `error_description`. A failure is told in one of two ways: on a page of ours, where \
         sending the browser on would be unsafe; or by a redirect to the application with `error` \
         and `error_description`.\n",
    );
    let mut told = 0;
    for (part, title) in PARTS {
        writeln!(text, "\n## {title}").unwrap();
        for code in FailureCode::ALL {
            if code.step().split('.').next() == Some(part) {
                told += 1;
                write!(text, "\n{}", entry(*code)).unwrap();
            }
        }
    }
    assert_eq!(told, FailureCode::ALL.len(), "a step begins with a word that is not in PARTS");
    assert_current("docs/reference/failures.md", &text);
}

fn entry(code: FailureCode) -> String {
    let owner = match code.owner() {
        Owner::CustomerIt => "the customer's IT",
        Owner::Developer => "the developer of the application",
        Owner::Operator => "the operator of Vestibule",
        Owner::Person => "the person, by trying again",
    };
    let channel = match code.channel() {
        Channel::Page(status) => format!("a page with status {status}"),
        Channel::Redirect(error) => format!("redirect with `error={error}`"),
    };
    format!(
        "### `{}`\n\n\
         Step `{}`. To be mended by {owner}. Told by {channel}.\n\n\
         - Person: {}\n- IT administrator: {}\n- Developer: {}\n",
        code.as_str(),
        code.step(),
        code.for_person(),
        code.for_it(),
        code.for_developer(),
    )
}
