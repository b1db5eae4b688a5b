//! Which roles a person gets: from the groups of this sign-in, and from nothing else.

use super::connection::IncompleteGroups;
use super::environment::RoleMode;
use crate::base::failure::{Failure, FailureCode};
use crate::base::trace::Trace;
use crate::upstream::Groups;

/// What a decision is made from.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The slugs of all roles the person could have, the most important first.
    pub roles: &'a [String],
    /// The slug of the role of people without a matching group.
    pub default_role: &'a str,
    /// The connection's groups: name at the identity provider, slug of the role.
    pub groups: &'a [(String, String)],
    /// Whether one role is given or all.
    pub mode: RoleMode,
    /// What an incomplete groups claim means.
    pub incomplete: IncompleteGroups,
    /// The roles of the last sign-in, if there was one.
    pub before: Option<&'a [String]>,
}

/// Decides the roles of a sign-in, the most important first; there is always at least one.
///
/// Group names are compared byte for byte: whoever can name a group at the identity provider could
/// otherwise name one that only looks like another.
///
/// # Errors
///
/// [`FailureCode::GroupsUnavailable`] if the connection refuses incomplete claims.
pub fn decide(
    rules: &Rules<'_>,
    groups: &Groups,
    trace: &mut Trace,
) -> Result<Vec<String>, Failure> {
    let mut slugs: Vec<&str> = Vec::new();
    for (idp_id, slug) in rules.groups {
        if groups.names().contains(idp_id) {
            trace.did("roles.group", format!("the group '{idp_id}' gives the role '{slug}'"));
            slugs.push(slug);
        }
    }
    if !rules.groups.is_empty() && !groups.is_complete() {
        match rules.incomplete {
            IncompleteGroups::DefaultRole => trace.warned(
                "roles.groups_unavailable",
                format!("the groups are {}: roles come from what is known", groups.state()),
            ),
            IncompleteGroups::KeepRoles => {
                trace.warned(
                    "roles.groups_unavailable",
                    format!("the groups are {}: roles of the last sign-in stay", groups.state()),
                );
                slugs.extend(rules.before.unwrap_or_default().iter().map(String::as_str));
            }
            IncompleteGroups::Refuse => {
                return Err(Failure::mismatch(
                    FailureCode::GroupsUnavailable,
                    "a complete groups claim",
                    groups.state(),
                ));
            }
        }
    }
    let mut chosen: Vec<String> =
        rules.roles.iter().filter(|role| slugs.contains(&role.as_str())).cloned().collect();
    if chosen.is_empty() {
        trace.did("roles.default", format!("no group matches: '{}'", rules.default_role));
        chosen.push(rules.default_role.to_owned());
    }
    if rules.mode == RoleMode::Single {
        chosen.truncate(1);
    }
    trace.did("roles.decision", chosen.join(", "));
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Clock;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    /// Roles admin > editor > member (the default); the groups Admins and Editors are mapped.
    fn decided(
        groups: &Groups,
        mode: RoleMode,
        incomplete: IncompleteGroups,
        before: Option<&[&str]>,
    ) -> Result<Vec<String>, FailureCode> {
        let before = before.map(texts);
        let rules = Rules {
            roles: &texts(&["admin", "editor", "member"]),
            default_role: "member",
            groups: &[
                ("Editors".to_owned(), "editor".to_owned()),
                ("Admins".to_owned(), "admin".to_owned()),
            ],
            mode,
            incomplete,
            before: before.as_deref(),
        };
        let mut trace = Trace::new(Clock::system());
        decide(&rules, groups, &mut trace).map_err(|failure| failure.code)
    }

    fn present(names: &[&str]) -> Groups {
        Groups::Present(texts(names))
    }

    #[test]
    fn the_matching_role_of_the_highest_priority_wins() {
        let policy = IncompleteGroups::DefaultRole;
        let both = present(&["Editors", "Admins"]);
        assert_eq!(decided(&both, RoleMode::Single, policy, None).unwrap(), ["admin"]);
        assert_eq!(decided(&both, RoleMode::Multiple, policy, None).unwrap(), ["admin", "editor"]);
        let none = present(&["Others"]);
        assert_eq!(decided(&none, RoleMode::Multiple, policy, None).unwrap(), ["member"]);
    }

    #[test]
    fn clm_11_only_the_exact_name_gives_the_role() {
        for name in ["admins", "Admins ", "Аdmins", "Admins\u{200b}", "ADMINS"] {
            let roles =
                decided(&present(&[name]), RoleMode::Single, IncompleteGroups::KeepRoles, None);
            assert_eq!(roles.unwrap(), ["member"], "{name:?}");
        }
    }

    #[test]
    fn clm_13_absent_is_not_empty() {
        let before: Option<&[&str]> = Some(&["admin"]);
        for groups in [Groups::Absent, Groups::Overflowed, Groups::Truncated(Vec::new())] {
            let keep = decided(&groups, RoleMode::Single, IncompleteGroups::KeepRoles, before);
            assert_eq!(keep.unwrap(), ["admin"]);
            let fresh = decided(&groups, RoleMode::Single, IncompleteGroups::DefaultRole, before);
            assert_eq!(fresh.unwrap(), ["member"]);
            let refused = decided(&groups, RoleMode::Single, IncompleteGroups::Refuse, before);
            assert_eq!(refused.unwrap_err(), FailureCode::GroupsUnavailable);
        }
        let empty = decided(&Groups::Empty, RoleMode::Single, IncompleteGroups::KeepRoles, before);
        assert_eq!(empty.unwrap(), ["member"], "roles are recomputed from zero");
    }

    #[test]
    fn a_truncated_list_still_gives_what_it_holds() {
        let cut = Groups::Truncated(texts(&["Editors"]));
        let fresh =
            decided(&cut, RoleMode::Single, IncompleteGroups::DefaultRole, Some(&["admin"]));
        assert_eq!(fresh.unwrap(), ["editor"]);
        let keep = decided(&cut, RoleMode::Single, IncompleteGroups::KeepRoles, Some(&["admin"]));
        assert_eq!(keep.unwrap(), ["admin"]);
    }

    #[test]
    fn a_kept_role_that_no_longer_exists_is_dropped() {
        let roles = decided(
            &Groups::Absent,
            RoleMode::Single,
            IncompleteGroups::KeepRoles,
            Some(&["gone"]),
        );
        assert_eq!(roles.unwrap(), ["member"]);
    }
}
