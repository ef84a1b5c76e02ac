//! Plain things in bytes: numbers, texts, ids, times. What is read is never trusted with an allocation.

use protocol::timestamp::Timestamp;

/// Why bytes can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    /// They end too early.
    #[error("it is cut off")]
    CutOff,
    /// They are of a version that this node does not know: a newer one wrote them.
    #[error("it is of version {0}, which this node does not know")]
    Version(u8),
    /// They say what nothing says.
    #[error("it makes no sense: {0}")]
    Content(&'static str),
}

/// Bytes that are being written.
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// LEB128.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn texts<T: AsRef<str>>(&mut self, texts: impl ExactSizeIterator<Item = T>) {
        self.number(texts.len() as u64);
        texts.for_each(|text| self.text(text.as_ref()));
    }

    pub(crate) fn id(&mut self, id: u128) {
        self.0.extend_from_slice(&id.to_be_bytes());
    }

    pub(crate) fn time(&mut self, time: Timestamp) {
        let millis = time.as_millis();
        self.number((millis << 1 ^ millis >> 63).cast_unsigned());
    }
}

/// Bytes that are being read.
#[derive(Debug)]
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(FormError::CutOff)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FormError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, FormError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(FormError::Content("a number beyond 64 bits"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(FormError::Content("a number without an end"))
    }

    pub(crate) fn small(&mut self) -> Result<u32, FormError> {
        u32::try_from(self.number()?).map_err(|_| FormError::Content("a number beyond 32 bits"))
    }

    /// The length of a list whose elements have at least `least` bytes each.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, FormError> {
        let count = usize::try_from(self.number()?).map_err(|_| FormError::CutOff)?;
        if count > self.0.len() / least { Err(FormError::CutOff) } else { Ok(count) }
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, FormError> {
        let length = self.count(1)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(FormError::CutOff)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| FormError::Content("a text that is not UTF-8"))
    }

    pub(crate) fn texts(&mut self) -> Result<Vec<Box<str>>, FormError> {
        let count = self.count(1)?;
        (0..count).map(|_| self.text().map(Into::into)).collect()
    }

    pub(crate) fn id(&mut self) -> Result<u128, FormError> {
        self.array().map(u128::from_be_bytes)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, FormError> {
        let number = self.number()?;
        let millis = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        Ok(Timestamp::from_millis(millis))
    }

    pub(crate) fn end(self) -> Result<(), FormError> {
        if self.0.is_empty() { Ok(()) } else { Err(FormError::Content("something is left over")) }
    }
}
