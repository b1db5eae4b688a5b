//! Links to the other pages of a list.

use url::form_urlencoded::{Serializer, parse};

use crate::base::page::{Order, Page, PageRequest};

/// How many rows a page of ours shows.
pub const ROWS: usize = 25;

/// The links; what is `None` leads nowhere.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// To the newest rows.
    pub first: Option<String>,
    /// To newer rows.
    pub before: Option<String>,
    /// To older rows.
    pub after: Option<String>,
    /// To the oldest rows.
    pub last: Option<String>,
}

impl Pager {
    /// Whether there is more than one page.
    pub fn is_needed(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// The links of a page, on the address `path` with the query of the request: its filters stay.
    pub fn of<T>(page: &Page<T>, path: &str, query: &str) -> Self {
        let link = |cursor: &[(&str, &str)]| {
            let mut serializer = Serializer::new(String::new());
            for (name, value) in parse(query.as_bytes()) {
                if !matches!(&*name, "before" | "after" | "last" | "notice") {
                    serializer.append_pair(&name, &value);
                }
            }
            serializer.extend_pairs(cursor);
            let query = serializer.finish();
            if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
        };
        let before = page.before.as_deref().map(|cursor| link(&[("before", cursor)]));
        let after = page.after.as_deref().map(|cursor| link(&[("after", cursor)]));
        Self {
            first: before.as_ref().map(|_| link(&[])),
            last: after.as_ref().map(|_| link(&[("last", "1")])),
            before,
            after,
        }
    }
}

/// Which page the query asks for: newest first; `last` asks for the oldest rows.
pub fn request(query: &str) -> PageRequest {
    let find = |wanted: &str| {
        let mut pairs = parse(query.as_bytes());
        // No id has a NUL, and PostgreSQL refuses one.
        let found = pairs.find(|(name, value)| name == wanted && !value.contains('\0'));
        found.map(|(_, value)| value.into_owned())
    };
    let request = PageRequest { limit: ROWS, ..PageRequest::default() };
    match (find("after"), find("before"), find("last")) {
        (Some(after), _, _) => PageRequest { after: Some(after), ..request },
        (None, Some(before), _) => PageRequest { before: Some(before), ..request },
        (None, None, Some(_)) => PageRequest { order: Order::Asc, ..request },
        (None, None, None) => request,
    }
}

/// The page that the query asks for of a list that is at hand as a whole, in the order in which it is
/// shown; and the place of its first row in the list. The cursors are places.
pub fn cut<T>(all: Vec<T>, query: &str) -> (Page<T>, usize) {
    let request = request(query);
    let place = |cursor: Option<&String>| cursor?.parse::<usize>().ok();
    let first = match (place(request.after.as_ref()), place(request.before.as_ref())) {
        (Some(after), _) => after.saturating_add(1),
        (None, Some(before)) => before.saturating_sub(ROWS),
        (None, None) if request.order == Order::Asc => all.len().saturating_sub(1) / ROWS * ROWS,
        (None, None) => 0,
    };
    let first = first.min(all.len());
    let end = first.saturating_add(ROWS).min(all.len());
    let before = (first > 0).then(|| first.to_string());
    let after = (end < all.len()).then(|| (end - 1).to_string());
    let data = all.into_iter().skip(first).take(ROWS).collect();
    (Page { data, before, after }, first)
}

/// The page in the order in which it is shown, newest first, whichever way it was read.
pub fn shown<T>(page: Page<T>, request: &PageRequest) -> Page<T> {
    if request.order != Order::Asc {
        return page;
    }
    let mut page = page;
    page.data.reverse();
    Page { data: page.data, before: page.after, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_filters_and_drop_the_old_cursor() {
        let page = Page { data: vec![1], before: Some("a".to_owned()), after: Some("b".into()) };
        let pager = Pager::of(&page, "/x", "search=%22%26&after=z&notice=saved");
        assert_eq!(pager.first.as_deref(), Some("/x?search=%22%26"));
        assert_eq!(pager.before.as_deref(), Some("/x?search=%22%26&before=a"));
        assert_eq!(pager.after.as_deref(), Some("/x?search=%22%26&after=b"));
        assert_eq!(pager.last.as_deref(), Some("/x?search=%22%26&last=1"));
    }

    #[test]
    fn a_list_at_hand_is_cut_into_pages() {
        let page = |query: &str| {
            let (page, first) = cut((0..60).collect::<Vec<i32>>(), query);
            assert_eq!(page.data.first().copied().unwrap_or(60), i32::try_from(first).unwrap());
            (first, page.data.len(), page.before, page.after)
        };
        let (some, none) = (|text: &str| Some(text.to_owned()), None::<String>);
        assert_eq!(page(""), (0, 25, none.clone(), some("24")));
        assert_eq!(page("after=24"), (25, 25, some("25"), some("49")));
        assert_eq!(page("before=25"), (0, 25, none.clone(), some("24")));
        assert_eq!(page("after=49"), (50, 10, some("50"), none.clone()));
        assert_eq!(page("last=1"), (50, 10, some("50"), none.clone()));
        assert_eq!(page("after=nothing"), (0, 25, none.clone(), some("24")));
        assert_eq!(page("after=18446744073709551615"), (60, 0, some("60"), none));
        assert_eq!(cut(Vec::<i32>::new(), "last=1").0.before, None);
    }

    #[test]
    fn the_last_page_is_read_from_the_end_and_shown_newest_first() {
        let request = request("last=1");
        assert_eq!(request.order, Order::Asc);
        let read = Page { data: vec![1, 2], before: None, after: Some("2".to_owned()) };
        let page = shown(read, &request);
        assert_eq!((page.data, page.before.as_deref(), page.after), (vec![2, 1], Some("2"), None));
    }
}
