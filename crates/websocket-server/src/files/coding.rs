//! Which content coding a request likes best (RFC 9110 §12.5.3).

use actix_web::HttpRequest;
use actix_web::http::header::{AcceptEncoding, ContentEncoding, Encoding, Header as _, Preference, Quality};

/// Who does not name the plain form takes it, but rather what was named.
const UNNAMED_PLAIN: Quality = Quality::MIN;

/// The codings in which files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Plain,
}

impl Coding {
    /// The value of `Content-Encoding`; none for what is not coded.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Plain => None,
        }
    }

    fn encoding(self) -> Encoding {
        Encoding::Known(match self {
            Self::Brotli => ContentEncoding::Brotli,
            Self::Gzip => ContentEncoding::Gzip,
            Self::Plain => ContentEncoding::Identity,
        })
    }
}

/// The codings that the request takes, the best one first; of equal ones the smaller. A header that is none, or that
/// is not there, is taken for that of a client that knows no codings.
pub(super) fn by_preference(request: &HttpRequest) -> Vec<Coding> {
    let accepted = AcceptEncoding::parse(request).map(|header| header.0).unwrap_or_default();
    let quality = |coding: Coding| {
        let named = Preference::Specific(coding.encoding());
        let of = |wanted: &Preference<Encoding>| {
            accepted.iter().find(|known| known.item == *wanted).map(|known| known.quality)
        };
        let otherwise = if coding == Coding::Plain { UNNAMED_PLAIN } else { Quality::ZERO };
        of(&named).or_else(|| of(&Preference::Any)).unwrap_or(otherwise)
    };
    let mut codings = vec![Coding::Brotli, Coding::Gzip, Coding::Plain];
    codings.retain(|&coding| quality(coding) > Quality::ZERO);
    codings.sort_by_key(|&coding| std::cmp::Reverse(quality(coding)));
    codings
}
