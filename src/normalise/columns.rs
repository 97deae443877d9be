//! A column of numbers in, columns of what they read as out: for engines that speak Arrow.
//!
//! The answer is a struct `e164, region, type, reason`, all of them text. A row that was read has
//! the first three, a row that was not has the last. Every word is at most [`ROOM`] bytes long, so
//! that it is written by one copy of fixed size and cut to its length; asking each word how much
//! there is to copy costs as much as reading a clean number does.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, StringArray, StructArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields};

use super::texts::with_cells;
use super::{Checks, E164, E164_TEXT_LEN, Hint, NumberType, Reading, RejectReason, Texts, read};
use crate::digits::{digits_len, padded};

/// Most rows of one answer: offsets of 32 bits reach behind the texts of that many.
pub const MOST_ROWS: usize = 1 << 26;

/// Bytes of the longest word: a plus and nineteen digits, `FIXED_LINE_OR_MOBILE`,
/// `invalid_country_code`.
const ROOM: usize = E164_TEXT_LEN;

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    ["e164", "region", "type", "reason"].map(text).into_iter().collect()
});

/// The type of what [`read_columns`] gives: a struct of four nullable texts.
#[must_use]
pub fn columns_type() -> DataType {
    DataType::Struct(FIELDS.clone())
}

/// How the rows of a column are to be read.
#[derive(Clone, Debug)]
pub enum Hints {
    /// All alike.
    All(Hint),
    /// Each against the country that its row names (ISO 3166-1 alpha-2, any case). A blank or a
    /// null is no country; one that nobody can read leaves international spellings only.
    Countries(Texts),
}

impl Hints {
    fn of_rows(&self, rows: usize) -> Vec<Hint> {
        match self {
            Self::All(hint) => vec![*hint; rows],
            Self::Countries(countries) => with_cells!(countries, cells => {
                cells.map(|cell| Hint::of_row(cell.unwrap_or_default(), Hint::None)).collect()
            }),
        }
    }
}

/// Reads a column: a struct of [`columns_type`] with a row for each cell, in order.
///
/// # Panics
///
/// With more than [`MOST_ROWS`] rows, or another number of countries than of phones.
#[must_use]
pub fn read_columns(phones: &Texts, hints: &Hints, checks: Checks) -> StructArray {
    let rows = phones.len();
    assert!(rows <= MOST_ROWS, "a column is read in parts of at most {MOST_ROWS} rows");
    let hints = hints.of_rows(rows);
    assert_eq!(hints.len(), rows, "a country for each phone");
    let mut columns = Columns::with_room(rows);
    with_cells!(phones, cells => {
        for (cell, &hint) in cells.zip(&hints) {
            let result = cell.map_or(Err(RejectReason::Empty), |text| read(text, hint, checks));
            columns.push(result);
        }
    });
    columns.finish()
}

/// A word with room behind it.
#[derive(Clone, Copy)]
struct Word {
    text: [u8; ROOM],
    len: usize,
}

impl Word {
    const NONE: Self = Self { text: [0; ROOM], len: 0 };

    const fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let mut word = Self { text: [0; ROOM], len: name.len() };
        let mut at = 0;
        while at < name.len() {
            word.text[at] = name[at];
            at += 1;
        }
        word
    }

    /// A number's E.164 text.
    #[inline]
    fn exposing(number: E164) -> Self {
        let digits = number.expose_digits();
        let mut text = [0; 2 * ROOM];
        text[..ROOM].copy_from_slice(&padded(digits));
        let len = digits_len(digits) + 1;
        let start = ROOM.saturating_sub(len);
        text[start] = b'+';
        let mut word = Self { text: [0; ROOM], len };
        word.text.copy_from_slice(&text[start..start + ROOM]);
        word
    }

    #[inline]
    fn of_region(code: &str) -> Self {
        match *code.as_bytes() {
            [a, b] => {
                let mut word = Self { len: 2, ..Self::NONE };
                word.text[0] = a;
                word.text[1] = b;
                word
            }
            _ => Self::of(code),
        }
    }
}

const TYPES: [Word; NumberType::ALL.len()] = {
    let mut words = [Word::NONE; NumberType::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[NumberType::ALL[at] as usize] = Word::of(NumberType::ALL[at].name());
        at += 1;
    }
    words
};

const REASONS: [Word; RejectReason::ALL.len()] = {
    let mut words = [Word::NONE; RejectReason::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[RejectReason::ALL[at] as usize] = Word::of(RejectReason::ALL[at].name());
        at += 1;
    }
    words
};

/// A column of words on its way.
struct Words {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl Words {
    fn with_room(rows: usize, bytes_each: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { bytes: Vec::with_capacity(rows * bytes_each + ROOM), offsets }
    }

    #[inline]
    fn push(&mut self, word: &Word) {
        let end = self.bytes.len() + word.len;
        self.bytes.extend_from_slice(&word.text);
        self.bytes.truncate(end);
        self.skip();
    }

    /// A row without a word.
    #[inline]
    fn skip(&mut self) {
        // `MOST_ROWS` words of `ROOM` bytes end below 2^31.
        self.offsets.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    fn finish(self, nulls: &NullBuffer) -> ArrayRef {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let nulls = (nulls.null_count() > 0).then(|| nulls.clone());
        Arc::new(StringArray::new(offsets, Buffer::from_vec(self.bytes), nulls))
    }
}

/// The four columns on their way.
struct Columns {
    e164: Words,
    region: Words,
    kind: Words,
    reason: Words,
    /// A bit for each row that was read.
    read: Vec<u64>,
    rows: usize,
}

impl Columns {
    fn with_room(rows: usize) -> Self {
        const DIGITS: usize = 14;
        Self {
            e164: Words::with_room(rows, DIGITS),
            region: Words::with_room(rows, 2),
            kind: Words::with_room(rows, DIGITS),
            reason: Words::with_room(rows, 1),
            read: Vec::with_capacity(rows / 64 + 1),
            rows: 0,
        }
    }

    #[inline]
    fn push(&mut self, result: Result<Reading, RejectReason>) {
        let bit = self.rows % 64;
        if bit == 0 {
            self.read.push(0);
        }
        self.rows += 1;
        match result {
            Ok(reading) => {
                if let Some(word) = self.read.last_mut() {
                    *word |= 1 << bit;
                }
                self.e164.push(&Word::exposing(reading.number));
                self.region.push(&Word::of_region(reading.region.code()));
                self.kind.push(&TYPES[reading.kind as usize]);
                self.reason.skip();
            }
            Err(reason) => {
                self.e164.skip();
                self.region.skip();
                self.kind.skip();
                self.reason.push(&REASONS[reason as usize]);
            }
        }
    }

    fn finish(self) -> StructArray {
        let read = BooleanBuffer::new(Buffer::from_vec(self.read), 0, self.rows);
        let unread = NullBuffer::new(!&read);
        let read = NullBuffer::new(read);
        let columns = vec![
            self.e164.finish(&read),
            self.region.finish(&read),
            self.kind.finish(&read),
            self.reason.finish(&unread),
        ];
        StructArray::new(FIELDS.clone(), columns, None)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, LargeStringArray};

    use super::super::Region;
    use super::*;

    fn texts(cells: &[Option<&str>]) -> Texts {
        Texts::LargeUtf8(LargeStringArray::from_iter(cells.iter().copied()))
    }

    fn rows(columns: &StructArray) -> Vec<[Option<String>; 4]> {
        let cell = |column: usize, row: usize| {
            let column = columns.column(column).as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        (0..columns.len()).map(|row| [0, 1, 2, 3].map(|column| cell(column, row))).collect()
    }

    /// What one call for each cell gives.
    fn one_by_one(cells: &[Option<&str>], hint: Hint, checks: Checks) -> Vec<[Option<String>; 4]> {
        let one = |cell: &Option<&str>| {
            let result = cell.map_or(Err(RejectReason::Empty), |cell| {
                super::super::read_slowly(cell.as_bytes(), hint, checks)
            });
            match result {
                Ok(reading) => {
                    let mut buffer = [0; E164_TEXT_LEN];
                    let e164 = reading.number.expose_text(&mut buffer).to_owned();
                    [
                        Some(e164),
                        Some(reading.region.to_string()),
                        Some(reading.kind.name().into()),
                        None,
                    ]
                }
                Err(reason) => [None, None, None, Some(reason.name().to_owned())],
            }
        };
        cells.iter().map(one).collect()
    }

    // Fiction's ranges, libphonenumber's examples, fillers and junk; the longest words among them.
    const CELLS: [Option<&str>; 10] = [
        Some("+1 202-555-0123"),
        None,
        Some("0171 39200 01"),
        Some("+870301234567"),
        Some("4.47911E+11"),
        Some("+999123456"),
        Some("0000000000"),
        Some("+44 20 7946 0000"),
        Some(""),
        Some("00"),
    ];

    #[test]
    fn columns_say_what_one_call_for_each_cell_says() {
        let germany = Hint::Region(Region::from_code(b"DE").unwrap());
        for hint in [Hint::None, Hint::International, germany] {
            for checks in [Checks::Library, Checks::Damage] {
                // More rows than a word of the bitmap has bits, and no multiple of them.
                let cells: Vec<_> = CELLS.iter().copied().cycle().take(137).collect();
                let columns = read_columns(&texts(&cells), &Hints::All(hint), checks);
                assert_eq!(rows(&columns), one_by_one(&cells, hint, checks));
            }
        }
    }

    #[test]
    fn each_row_is_read_against_its_own_country() {
        let phones = texts(&[Some("0171 39200 01"), Some("0171 39200 01"), Some("0171 39200 01")]);
        let countries = texts(&[Some("de"), None, Some("Germany")]);
        let columns = read_columns(&phones, &Hints::Countries(countries), Checks::Damage);
        let e164: Vec<_> = rows(&columns).into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(e164, [Some("+491713920001".to_owned()), None, None]);
    }

    #[test]
    fn nothing_gives_nothing_of_the_right_type() {
        let columns = read_columns(&texts(&[]), &Hints::All(Hint::None), Checks::Damage);
        assert_eq!((columns.len(), columns.data_type()), (0, &columns_type()));
    }

    #[test]
    fn every_word_is_written_whole() {
        let text = |word: &Word| String::from_utf8(word.text[..word.len].to_vec()).unwrap();
        for kind in NumberType::ALL {
            assert_eq!(text(&TYPES[kind as usize]), kind.name());
        }
        for reason in RejectReason::ALL {
            assert_eq!(text(&REASONS[reason as usize]), reason.name());
        }
        assert_eq!(text(&Word::of_region(Region::WORLD.code())), "001");
        let longest = E164::mint(9_999_999_999_999_999_999).unwrap();
        assert_eq!(text(&Word::exposing(longest)), "+9999999999999999999");
    }
}
