//! `docs/reference/doctor.md`, from the table of what the doctor can find.

use std::fmt::Write;

use vestibule::base::failure::Owner;
use vestibule::doctor::{Check, Outcome, Problem};
use vestibule::upstream::oidc::Kind;

use super::{COMMAND, assert_current};

#[test]
fn the_reference_of_the_doctor_is_current() {
    let mut text = format!(
        "<!-- Made from src/doctor/problem.rs by `{COMMAND}`. -->\n\n\
         # What the doctor of a connection can find\n\n\
         `vestibule doctor CONNECTION` and `POST /connections/{{id}}/doctor` make these checks, in \
         this order. Each ends as `ok`, `warning` (people can sign in), `failed` (they cannot), \
         `cannot_tell` or `skipped`. What is wrong has a stable word, an owner and a remedy.\n\n\
         Where an identity provider of a cloud cannot be reached at all, the owner is the operator \
         of Vestibule instead of the customer's IT.\n",
    );
    for check in Check::ALL {
        write!(text, "\n## `{}`: {}\n", check.as_str(), check.label()).unwrap();
        for problem in Problem::ALL.iter().filter(|problem| problem.check() == check) {
            write!(text, "\n{}", entry(*problem)).unwrap();
        }
    }
    assert_current("docs/reference/doctor.md", &text);
}

fn entry(problem: Problem) -> String {
    let owner = match problem.owner() {
        Owner::CustomerIt => "the customer's IT",
        Owner::Developer => "the developer of the application",
        Owner::Operator => "the operator of Vestibule",
        Owner::Person => "the person",
    };
    let outcome = match problem.outcome() {
        Outcome::Warning => "A warning",
        _ => "A failure",
    };
    let usual = problem.remedy(Kind::GenericOidc);
    let mut text = format!("### `{}`\n\n{outcome}, for {owner}.\n\n", problem.as_str());
    writeln!(text, "- {usual}").unwrap();
    for (name, kind) in
        [("Okta", Kind::OktaOidc), ("Entra ID", Kind::EntraIdOidc), ("Google", Kind::GoogleOidc)]
    {
        let remedy = problem.remedy(kind);
        if remedy != usual {
            writeln!(text, "- {name}: {remedy}").unwrap();
        }
    }
    text
}
