//! The names of events to choose from.

use std::collections::BTreeSet;

use crate::model::event_name;
use crate::web::form::Form;

/// The names of events about one kind of object.
pub(super) struct Group {
    /// What they are about, such as `connection`.
    pub(super) object: String,
    pub(super) names: Vec<String>,
}

/// What can be chosen: what is recorded here, and what of WorkOS's was chosen by the API.
pub(super) fn groups(chosen: &[String]) -> Vec<Group> {
    let known = chosen.iter().map(String::as_str).filter(|name| event_name::is_known(name));
    let names: BTreeSet<&str> = event_name::OURS.iter().copied().chain(known).collect();
    let mut groups: Vec<Group> = Vec::new();
    for name in names {
        let object = name.split('.').next().unwrap_or(name);
        match groups.last_mut() {
            Some(group) if group.object == object => group.names.push(name.to_owned()),
            _ => groups.push(Group { object: object.to_owned(), names: vec![name.to_owned()] }),
        }
    }
    groups
}

/// What was chosen.
pub(super) fn chosen(form: &Form) -> Vec<String> {
    form.all("events").into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_offered_once_with_those_of_its_object() {
        let chosen = ["user.created", "role.created", "moon.rose"].map(str::to_owned);
        let groups = groups(&chosen);
        let mut objects: Vec<&str> = groups.iter().map(|group| group.object.as_str()).collect();
        assert!(objects.contains(&"user") && !objects.contains(&"moon"));
        objects.dedup();
        assert_eq!(objects.len(), groups.len());
        let names = groups.iter().map(|group| group.names.len()).sum::<usize>();
        assert_eq!(names, event_name::OURS.len() + 1);
        assert!(groups.iter().all(|group| group.names.iter().all(|it| it.contains(&group.object))));
    }
}
