use super::*;

fn page(text: &str, list: &[&str]) -> Result<Page, Vec<(&'static str, String)>> {
    let query = actix_web::web::Query::<Vec<(String, String)>>::from_query(text).expect("a query");
    let mut errors = Vec::new();
    let page = Page::of(&Query(query.into_inner()), list, &mut errors);
    if errors.is_empty() { Ok(page) } else { Err(errors) }
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let all: Vec<i64> = (1..=45).rev().collect();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = page(&format!("cursor={cursor}"), &["jobs", "open"]).expect("a page");
        let rows = page.rows().try_into().expect("few");
        let rows: Vec<i64> = all.iter().copied().filter(|id| *id < page.before).take(rows).collect();
        let list = page.list(rows, |id| *id);
        assert!(list.items.len() <= 20);
        seen.extend(list.items);
        match list.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(seen, all);
}

#[test]
fn a_cursor_of_another_list_and_a_limit_out_of_bounds_are_named() {
    let next =
        page("limit=1", &["jobs", "open"]).expect("a page").list(vec![9, 8], |id| *id).next.expect("more");
    assert_eq!(page(&format!("cursor={next}"), &["jobs", "open"]).expect("its own").before, 9);
    let errors = page(&format!("cursor={next}&limit=101"), &["jobs", "closed"]).expect_err("foreign");
    assert_eq!(errors.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["limit", "cursor"]);
    for text in ["limit=0", "limit=x", "limit=-1", "limit=1.5", "cursor=AAAA", "cursor=%00", "cursor=9"] {
        assert!(page(text, &["jobs"]).is_err(), "{text}");
    }
    assert_eq!(page("", &["jobs"]).expect("a page").limit, 20);
}
