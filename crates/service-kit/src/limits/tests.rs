//! The limit that a process ends up with.

use super::*;

#[test]
fn the_soft_limit_is_raised_to_the_hard_one_and_again_without_harm() {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    assert_eq!(raise_open_files().expect("allowed up to the hard limit"), hard);
    assert_eq!(raise_open_files().expect("a second time changes nothing"), hard);
    assert_eq!(open_files(), hard);
}
