//! Lists in pages: an opaque cursor says where the next one begins.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{BAD_CURSOR, BAD_REQUEST, Problem};

/// Items of a page where none is asked for.
const ITEMS: usize = 50;
/// Items of a page, at most.
const ITEMS_MAX: usize = 200;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageAsked {
    /// `next` of the page before; none for the first
    #[param(pattern = "^[A-Za-z0-9_-]{4,64}$")]
    pub(super) cursor: Option<String>,
    /// Items, at most
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<usize>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The newest first
    pub(super) items: Vec<T>,
    /// The cursor of the next page; none where this is the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// A page of numbered items, the newest first. `list` names the list, so that a cursor of another
    /// one is none of this; `all` are those that the officer may see, and no others.
    pub(super) fn of<I>(
        list: &str,
        asked: &PageAsked,
        all: impl Iterator<Item = I>,
        number: impl Fn(&I) -> u64,
        tell: impl FnMut(I) -> T,
    ) -> Result<Self, Problem> {
        let limit = asked.limit.unwrap_or(ITEMS);
        if !(1..=ITEMS_MAX).contains(&limit) {
            let says = format!("limit is from 1 to {ITEMS_MAX}");
            return Err(Problem::new(&BAD_REQUEST, says));
        }
        let before = asked.cursor.as_deref().map(|cursor| read(list, cursor));
        let before = before.transpose()?.unwrap_or(u64::MAX);
        let mut rest = all.filter(|item| number(item) < before).peekable();
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(item) = rest.next()
        {
            taken.push(item);
        }
        let end = taken.last().filter(|_| rest.peek().is_some());
        let next = end.map(|item| written(list, number(item)));
        Ok(Self {
            items: taken.into_iter().map(tell).collect(),
            next,
        })
    }
}

fn written(list: &str, number: u64) -> String {
    BASE64URL_NOPAD.encode(format!("{list} {number}").as_bytes())
}

fn read(list: &str, cursor: &str) -> Result<u64, Problem> {
    let decoded = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let number = decoded.and_then(|octets| {
        let text = String::from_utf8(octets).ok()?;
        text.strip_prefix(list)?.strip_prefix(' ')?.parse().ok()
    });
    number.ok_or_else(|| Problem::new(&BAD_CURSOR, "the cursor is not one that this list gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(limit: usize, count: u64) -> Vec<Vec<u64>> {
        let mut asked = PageAsked {
            cursor: None,
            limit: Some(limit),
        };
        let mut pages = Vec::new();
        loop {
            let all = (1..=count).rev();
            let page = Page::of("things", &asked, all, |it| *it, |it| it).unwrap();
            pages.push(page.items);
            match page.next {
                Some(next) => asked.cursor = Some(next),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_give_each_item_once_and_the_last_says_so() {
        assert_eq!(pages(2, 5), [vec![5, 4], vec![3, 2], vec![1]]);
        assert_eq!(pages(5, 5), [vec![5, 4, 3, 2, 1]]);
        assert_eq!(pages(5, 0), [Vec::<u64>::new()]);
    }

    #[test]
    fn a_cursor_that_another_list_gave_or_someone_made_up_is_refused() {
        for cursor in [
            "",
            "AA",
            "%",
            &written("other", 3),
            &BASE64URL_NOPAD.encode(b"things -1"),
        ] {
            assert!(read("things", cursor).is_err(), "{cursor}");
        }
        assert_eq!(read("things", &written("things", 3)).unwrap(), 3);
    }
}
