//! A blob's seal, and the plain things inside: numbers, texts, ids, times.

use protocol::timestamp::Timestamp;

use super::Kind;

/// The version of the form. A blob of another one is not read; a change of it is a change of the schema's, too.
const VERSION: u8 = 1;

/// Version, kind and checksum.
const HEAD: usize = 6;

/// Why a blob can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It ends too early.
    #[error("it is cut off")]
    CutOff,
    /// Not of this version and kind.
    #[error("it is of version {version} and kind {kind}")]
    Foreign {
        /// The version that it tells.
        version: u8,
        /// The kind that it tells.
        kind: u8,
    },
    /// The checksum is another.
    #[error("its checksum is wrong")]
    Checksum,
    /// It says what nothing says.
    #[error("it makes no sense: {0}")]
    Content(&'static str),
}

/// A blob that is being written.
#[derive(Debug)]
pub(super) struct Blob<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Blob<'o> {
    /// Begins a blob in `out`, in place of what is in it.
    pub(super) fn begin(out: &'o mut Vec<u8>, kind: Kind) -> Self {
        out.clear();
        out.extend_from_slice(&[VERSION, kind as u8, 0, 0, 0, 0]);
        Self { out }
    }

    /// Puts the checksum in.
    pub(super) fn seal(self) {
        let sum = checksum(self.out);
        self.out[2..HEAD].copy_from_slice(&sum.to_le_bytes());
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(super) fn id(&mut self, id: u128) {
        self.bytes(&id.to_be_bytes());
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        let millis = time.as_millis();
        self.number((millis << 1 ^ millis >> 63).cast_unsigned());
    }
}

/// Of all but the checksum itself.
fn checksum(blob: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&blob[..2]);
    hasher.update(&blob[HEAD..]);
    hasher.finalize()
}

/// A blob that is being read. Nothing in it can make it panic, or allocate more than a small multiple of its size.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    /// Checks the seal.
    pub(super) fn open(blob: &'b [u8], kind: Kind) -> Result<Self, DecodeError> {
        let (&[version, told, a, b, c, d], rest) = blob.split_first_chunk().ok_or(DecodeError::CutOff)?;
        if checksum(blob) != u32::from_le_bytes([a, b, c, d]) {
            return Err(DecodeError::Checksum);
        }
        if (version, told) != (VERSION, kind as u8) {
            return Err(DecodeError::Foreign { version, kind: told });
        }
        Ok(Self { rest })
    }

    /// Holds that nothing is left.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Content("something is left over")) }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::CutOff)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(DecodeError::Content("a number beyond 64 bits"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError::Content("a number without an end"))
    }

    /// A number of 32 bits.
    pub(super) fn small(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.number()?).map_err(|_| DecodeError::Content("a number beyond 32 bits"))
    }

    /// The length of a list whose elements have at least `least` bytes each.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.number()?).map_err(|_| DecodeError::CutOff)?;
        if count > self.rest.len() / least { Err(DecodeError::CutOff) } else { Ok(count) }
    }

    pub(super) fn text(&mut self) -> Result<&'b str, DecodeError> {
        let length = self.count(1)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::CutOff)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| DecodeError::Content("a text that is not UTF-8"))
    }

    pub(super) fn id(&mut self) -> Result<u128, DecodeError> {
        self.array().map(u128::from_be_bytes)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, DecodeError> {
        let number = self.number()?;
        let millis = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        Ok(Timestamp::from_millis(millis))
    }
}
