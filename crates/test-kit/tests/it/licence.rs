//! Licence expressions (SPDX), as far as crates use them: `OR`, `AND`, `WITH`, parentheses, and the old `/` for `OR`.

/// What a dependency may ask of us: to keep its notice, and no more.
///
/// One is for data: `CDLA-Permissive-2.0` asks whoever passes the data on to pass on its text, and nothing for what is
/// made with the data. `webpki-roots`, a list of certificate authorities, comes under it.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether there is a choice under `expression` that is allowed whole. What is not an expression is not.
pub(crate) fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest) == Some(true) && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> Option<bool> {
    let mut permissive = both(rest)?;
    while take(rest, "OR") {
        permissive |= both(rest)?;
    }
    Some(permissive)
}

fn both(rest: &mut &[&str]) -> Option<bool> {
    let mut permissive = one(rest)?;
    while take(rest, "AND") {
        permissive &= one(rest)?;
    }
    Some(permissive)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let permissive = either(rest)?;
        return take(rest, ")").then_some(permissive);
    }
    let name = next(rest)?;
    if take(rest, "WITH") {
        let exception = next(rest)?;
        return Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()));
    }
    Some(ALLOWED.contains(&name))
}

fn next<'a>(rest: &mut &[&'a str]) -> Option<&'a str> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((&first, after)) if first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[test]
fn a_licence_expression_is_permissive_where_one_choice_is() {
    for permissive in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "ISC AND (Apache-2.0 OR ISC)",
        "(MIT OR GPL-3.0) AND Zlib",
        "CDLA-Permissive-2.0",
    ] {
        assert!(is_permissive(permissive), "{permissive}");
    }
    for not in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "CDLA-Sharing-1.0",
        "MIT OR",
        "(MIT",
        "Apache-2.0 WITH Other-exception",
        "MIT MIT",
    ] {
        assert!(!is_permissive(not), "{not}");
    }
}
