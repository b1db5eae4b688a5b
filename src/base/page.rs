//! Pages of lists: what is asked for, and what is answered (WorkOS's cursors).

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Order {
    /// Oldest first; `after` goes to newer items.
    Asc,
    /// Newest first; `after` goes to older items.
    #[default]
    Desc,
    /// Newest first, with the cursors the other way round: `after` goes to newer items.
    Normal,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// How many items at the most, 1 to 100.
    pub limit: usize,
    /// The order.
    pub order: Order,
    /// Items before this one, in the order asked for.
    pub before: Option<String>,
    /// Items after this one, in the order asked for.
    pub after: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, order: Order::Desc, before: None, after: None }
    }
}

impl PageRequest {
    /// How many items a page has if nobody says.
    pub const DEFAULT_LIMIT: usize = 10;
    /// How many items a page may have.
    pub const MAX_LIMIT: usize = 100;

    /// Whether rows are to be read oldest first to get the page next to its cursor, and the
    /// cursor: rows beyond it, in that reading direction, are wanted.
    pub fn reading(&self) -> (bool, Option<&str>) {
        let oldest_first = self.order == Order::Asc;
        match (&self.after, &self.before) {
            (Some(after), _) => match self.order {
                Order::Normal => (true, Some(after)),
                _ => (oldest_first, Some(after)),
            },
            (None, Some(before)) => match self.order {
                Order::Normal => (false, Some(before)),
                _ => (!oldest_first, Some(before)),
            },
            (None, None) => (oldest_first, None),
        }
    }

    /// Makes the page from `rows`, read as [`Self::reading`] says, one more than `limit` where
    /// there are more. `key` gives the cursor of an item.
    pub fn page<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let (read_oldest_first, cursor) = self.reading();
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let show_oldest_first = self.order == Order::Asc;
        if read_oldest_first != show_oldest_first {
            rows.reverse();
        }
        let first = rows.first().map(&key);
        let last = rows.last().map(&key);
        // Beyond the far end there is something if a row too many came; at the near end there is
        // the item of the cursor itself.
        let (beyond_first, beyond_last) = if read_oldest_first == show_oldest_first {
            (cursor.is_some(), more)
        } else {
            (more, cursor.is_some())
        };
        let (mut before, mut after) =
            (first.filter(|_| beyond_first), last.filter(|_| beyond_last));
        if self.order == Order::Normal {
            std::mem::swap(&mut before, &mut after);
        }
        Page { data: rows, before, after }
    }
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub data: Vec<T>,
    /// The cursor of the page before this one, or `None` on the first.
    pub before: Option<String>,
    /// The cursor of the page after this one, or `None` on the last.
    pub after: Option<String>,
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(change).collect(),
            before: self.before,
            after: self.after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the page as a table would, from the items 0 to 9 (0 is the oldest).
    fn read(request: &PageRequest) -> Page<i32> {
        let (oldest_first, cursor) = request.reading();
        let cursor: Option<i32> = cursor.map(|c| c.parse().unwrap());
        let mut items: Vec<i32> = (0..10)
            .filter(|i| cursor.is_none_or(|c| if oldest_first { *i > c } else { *i < c }))
            .collect();
        if !oldest_first {
            items.reverse();
        }
        items.truncate(request.limit + 1);
        request.page(items, ToString::to_string)
    }

    #[test]
    fn pages_forth_and_back_cover_the_list_once() {
        for order in [Order::Asc, Order::Desc] {
            let mut request = PageRequest { limit: 4, order, ..PageRequest::default() };
            let mut all = Vec::new();
            let mut last = None;
            for _ in 0..10 {
                let page = read(&request);
                all.extend(page.data.clone());
                let Some(after) = page.after.clone() else {
                    last = Some(page);
                    break;
                };
                request.after = Some(after);
            }
            let mut expected: Vec<i32> = (0..10).collect();
            if order == Order::Desc {
                expected.reverse();
            }
            assert_eq!(all, expected);
            let before = last.unwrap().before;
            let back = read(&PageRequest { before, after: None, ..request });
            assert_eq!(back.data, expected[4..8]);
            assert_eq!(
                (back.before, back.after),
                (Some(expected[4].to_string()), Some(expected[7].to_string()))
            );
        }
    }

    #[test]
    fn the_normal_order_is_newest_first_with_reversed_cursors() {
        let first = read(&PageRequest { limit: 4, order: Order::Normal, ..PageRequest::default() });
        assert_eq!(first.data, [9, 8, 7, 6]);
        assert_eq!((first.before.as_deref(), first.after), (Some("6"), None));
        let older = read(&PageRequest {
            limit: 4,
            order: Order::Normal,
            before: first.before,
            after: None,
        });
        assert_eq!(older.data, [5, 4, 3, 2]);
        let newer =
            read(&PageRequest { limit: 4, order: Order::Normal, before: None, after: older.after });
        assert_eq!(newer.data, [9, 8, 7, 6]);
    }
}
