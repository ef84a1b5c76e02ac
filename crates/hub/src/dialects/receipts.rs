//! The world of receipts: everyone gets the events of its channels, and nothing else; what clients send is not looked at
//! (contract: receipts).

use protocol::timestamp::TimestampFormat;

use super::{Defaults, Step, View, World};

/// The world of receipts.
#[derive(Debug)]
pub(super) struct Receipts;

impl World for Receipts {
    fn name(&self) -> &'static str {
        "receipts"
    }

    fn defaults(&self) -> Defaults {
        Defaults { flat: Some(TimestampFormat::Seconds), channels: &["receipts"], ..Defaults::default() }
    }

    fn welcome(&self, _view: &View<'_>) -> Option<Vec<u8>> {
        None
    }

    fn on_message(&self, _message: &[u8], _view: &View<'_>) -> Vec<Step> {
        Vec::new()
    }
}
