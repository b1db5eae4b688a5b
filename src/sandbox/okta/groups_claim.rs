//! The groups claim of an app integration, as Okta's admin console configures it.

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// How many groups a filter may match before Okta calls them too many.
pub const GROUPS_LIMIT: usize = 100;

/// "Groups claim type: Filter" of the Sign On tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsClaim {
    /// The name of the claim; the console suggests `groups`.
    pub name: String,
    /// Which names are let through.
    pub filter: GroupsFilter,
    /// What happens to more than [`GROUPS_LIMIT`] of them.
    #[serde(default)]
    pub too_many: TooManyGroups,
}

impl GroupsClaim {
    /// The claim `groups`, with this filter.
    pub fn new(filter: GroupsFilter) -> Self {
        Self { name: "groups".to_owned(), filter, too_many: TooManyGroups::default() }
    }

    /// Every group of the person, as the guides recommend: `groups` matches regex `.*`.
    pub fn all() -> Self {
        Self::new(GroupsFilter::Regex(".*".to_owned()))
    }

    /// The names that pass the filter, and what becomes of too many.
    pub(super) fn evaluate(&self, names: &[String]) -> Evaluation {
        let mut matching: Vec<String> =
            names.iter().filter(|name| self.filter.matches(name)).cloned().collect();
        if matching.len() > GROUPS_LIMIT {
            match self.too_many {
                TooManyGroups::Exempt => {}
                TooManyGroups::Error => return Evaluation::Failed,
                TooManyGroups::Truncate => matching.truncate(GROUPS_LIMIT),
            }
        }
        Evaluation::Groups(matching)
    }
}

/// What came of a groups claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Evaluation {
    /// The names; Okta leaves the claim out if there are none.
    Groups(Vec<String>),
    /// Too many.
    Failed,
}

/// Okta's four kinds of filter, with their value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GroupsFilter {
    /// The name begins with this.
    StartsWith(String),
    /// The name is this.
    Equals(String),
    /// The name has this somewhere.
    Contains(String),
    /// The whole name matches this regular expression. One that cannot be read matches nothing.
    Regex(String),
}

impl GroupsFilter {
    /// Whether it lets a name through: case counts, as at Okta.
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::StartsWith(value) => name.starts_with(value),
            Self::Equals(value) => name == value,
            Self::Contains(value) => name.contains(value),
            Self::Regex(value) => {
                Regex::new(&format!("^(?:{value})$")).is_ok_and(|regex| regex.is_match(name))
            }
        }
    }
}

/// What happens when a person has more than [`GROUPS_LIMIT`] matching groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooManyGroups {
    /// All of them come: Okta says that the authorization code flow has no limit.
    #[default]
    Exempt,
    /// The sign-in fails: "The 'groups' user claim could not be evaluated."
    Error,
    /// The first [`GROUPS_LIMIT`] come, and nothing tells that there are more.
    Truncate,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(filter: GroupsFilter) -> Vec<String> {
        let names = ["Engineering", "Engineering EU", "Sales", "sales ops"].map(str::to_owned);
        match GroupsClaim::new(filter).evaluate(&names) {
            Evaluation::Groups(groups) => groups,
            Evaluation::Failed => panic!("too many groups"),
        }
    }

    #[test]
    fn each_kind_of_filter_lets_through_what_its_name_says() {
        let starts = through(GroupsFilter::StartsWith("Eng".to_owned()));
        assert_eq!(starts, ["Engineering", "Engineering EU"]);
        assert_eq!(through(GroupsFilter::Equals("Engineering".to_owned())), ["Engineering"]);
        assert_eq!(through(GroupsFilter::Contains("ales".to_owned())), ["Sales", "sales ops"]);
        assert_eq!(through(GroupsFilter::Contains("Sales".to_owned())), ["Sales"]);
    }

    #[test]
    fn a_regex_has_to_match_the_whole_name() {
        assert_eq!(through(GroupsFilter::Regex("Eng".to_owned())), Vec::<String>::new());
        assert_eq!(through(GroupsFilter::Regex("Eng.*g|S.*".to_owned())), ["Engineering", "Sales"]);
        assert_eq!(through(GroupsFilter::Regex(".*".to_owned())).len(), 4);
        assert_eq!(through(GroupsFilter::Regex("(".to_owned())), Vec::<String>::new());
    }

    #[test]
    fn more_than_a_hundred_groups_come_all_or_fail_or_are_cut() {
        let names: Vec<String> = (0..101).map(|n| format!("g{n:03}")).collect();
        let evaluate = |too_many, names: &[String]| {
            GroupsClaim { too_many, ..GroupsClaim::all() }.evaluate(names)
        };
        let all = Evaluation::Groups(names.clone());
        assert_eq!(evaluate(TooManyGroups::Exempt, &names), all);
        assert_eq!(evaluate(TooManyGroups::Error, &names), Evaluation::Failed);
        let cut = Evaluation::Groups(names[..100].to_vec());
        assert_eq!(evaluate(TooManyGroups::Truncate, &names), cut);
        assert_eq!(evaluate(TooManyGroups::Error, &names[..100]), cut);
    }
}
