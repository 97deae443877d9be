//! Which cells does a line of NDJSON hold?
//!
//! One JSON object (RFC 8259) to a line; empty lines are skipped and are no rows. There is no
//! header, so a column is found when its name is first met; what is required must be met within the
//! first batch. A number is given as it is written, digit for digit, so that `4.4E+11` reaches the
//! checks for damage; `null` is an empty cell. A row is malformed when its line is not one object,
//! names something twice, or holds an array or an object in a wanted column that is no list.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::batch::Batch;
use super::error::{HeaderNames, InputError, Place};
use super::header::{self, ColumnsFound, FoundColumn};
use super::text::Text;
use super::{Field, Limits, Want};

/// More names than any table has; those beyond are looked up each time.
const NAMES_REMEMBERED: usize = 4096;

/// A longer name is nobody's.
const NAME_BYTES: usize = 256;

/// Reads the rows of NDJSON.
pub(super) struct JsonLines {
    at: Place,
    limits: Limits,
    text: Text,
    names: Names,
    /// For each want the name it was found under.
    bound: Vec<Option<Bound>>,
    columns: ColumnsFound,
    checked: bool,
}

#[derive(Clone, Copy)]
struct Bound {
    name: usize,
    rank: usize,
    slot: usize,
}

/// The names met so far, and which wants each could be.
struct Names {
    wants: Vec<Want>,
    known: HashMap<Box<str>, usize>,
    all: Vec<Name>,
}

struct Name {
    text: String,
    /// Index of the want, and how well the name fits it.
    fits: Vec<(usize, usize)>,
}

/// The first of the names: one that nobody wants.
const UNWANTED: usize = 0;

impl Names {
    fn new(wants: &[Want]) -> Self {
        let unwanted = Name { text: String::new(), fits: vec![] };
        Self { wants: wants.to_vec(), known: HashMap::new(), all: vec![unwanted] }
    }

    fn look_up(&mut self, text: &str) -> usize {
        if let Some(&name) = self.known.get(text) {
            return name;
        }
        if text.len() > NAME_BYTES {
            return UNWANTED;
        }
        let name = self.place(header::canonical(text.as_bytes()).unwrap_or_default());
        if self.known.len() < NAMES_REMEMBERED {
            self.known.insert(text.into(), name);
        }
        name
    }

    /// Names that are nobody's column, in the order of their bytes.
    fn unwanted(&self) -> HeaderNames {
        let unwanted = self.known.iter().filter(|&(_, &name)| name == UNWANTED);
        let mut unwanted: Vec<_> = unwanted.map(|(text, _)| text.as_bytes()).collect();
        unwanted.sort_unstable();
        HeaderNames::of(unwanted)
    }

    /// Names that are compared as equal are one name, which bounds how many there can be.
    fn place(&mut self, text: String) -> usize {
        if let Some(name) = self.all.iter().position(|name| name.text == text) {
            return name;
        }
        let fit = |(index, want)| Some((index, header::rank(want, &text)?));
        let fits: Vec<_> = self.wants.iter().enumerate().filter_map(fit).collect();
        if fits.is_empty() {
            return UNWANTED;
        }
        self.all.push(Name { text, fits });
        self.all.len() - 1
    }
}

/// What a line holds for a want: the name it stands under, and the value as written.
type Pick<'line> = Option<(usize, usize, &'line RawValue)>;

impl JsonLines {
    pub(super) fn open(at: &Place, wants: &[Want], limits: Limits, text: Text) -> Self {
        Self {
            at: at.clone(),
            limits,
            text,
            names: Names::new(wants),
            bound: vec![None; wants.len()],
            columns: ColumnsFound::default(),
            checked: false,
        }
    }

    pub(super) fn columns(&self) -> &ColumnsFound {
        &self.columns
    }

    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    ///
    /// The row in the error is counted from the batch's beginning.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, InputError> {
        let fields: Vec<Field> = self.columns.all().iter().map(|found| found.field).collect();
        let mut batch = Batch::default();
        batch.begin(&fields, vec![]);
        let Limits { batch_rows, batch_bytes, .. } = self.limits;
        while batch.len() < batch_rows && batch.text_bytes() < batch_bytes {
            if !self.text.skip_empty_lines().map_err(|cause| self.at.read_error(cause))? {
                break;
            }
            let len = self.find_line(&batch)?;
            if self.text.unread()[..len].trim_ascii().is_empty() {
                self.text.consume(len);
                continue;
            }
            self.push_row(&mut batch, len)?;
            self.text.consume(len);
        }
        if self.columns.header_columns != self.names.known.len() {
            self.columns.header_columns = self.names.known.len();
            self.columns.unused = self.names.unwanted();
        }
        if !self.checked {
            self.checked = true;
            let mut names: Vec<_> = self.names.known.keys().map(|name| name.as_bytes()).collect();
            names.sort_unstable();
            header::check_complete(&self.at, &self.names.wants, &self.columns, &names)?;
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn find_line(&mut self, batch: &Batch) -> Result<usize, InputError> {
        let limit_bytes = self.limits.row_bytes;
        loop {
            let unread = self.text.unread();
            let end = memchr::memchr2(b'\n', b'\r', unread);
            let len = end.unwrap_or(unread.len());
            if len > limit_bytes {
                let (at, row) = (self.at.clone(), batch.len() as u64 + 1);
                return Err(InputError::RowTooLong { at, row, limit_bytes });
            }
            if end.is_some() || self.text.ended() {
                return Ok(len);
            }
            self.text.fill(unread.len() + 1).map_err(|cause| self.at.read_error(cause))?;
        }
    }

    fn push_row(&mut self, batch: &mut Batch, len: usize) -> Result<(), InputError> {
        let line = &self.text.unread()[..len];
        let mut json = serde_json::Deserializer::from_slice(line);
        let parsed = json.deserialize_map(Line { names: &mut self.names });
        let Some(read) = parsed.ok().filter(|_| json.end().is_ok()) else {
            batch.push_malformed();
            return Ok(());
        };
        if let Some((want, first, second)) = read.rivals {
            return Err(self.duplicate(want, first, second));
        }
        let mut cells = Vec::with_capacity(read.picks.len());
        for (pick, want) in read.picks.iter().zip(&self.names.wants) {
            let cell =
                pick.map_or(Some(Cow::Borrowed("")), |(_, _, value)| cell(value, want.field));
            let Some(cell) = cell else {
                batch.push_malformed();
                return Ok(());
            };
            cells.push(cell);
        }
        for (want, pick) in read.picks.iter().enumerate() {
            let Some((name, rank, _)) = *pick else { continue };
            let sole = header::is_sole(self.names.wants[want].field);
            match self.bound[want] {
                None => {
                    let field = self.names.wants[want].field;
                    let text = self.names.all[name].text.as_bytes();
                    let slot = self.columns.columns.len();
                    self.columns.columns.push(FoundColumn::new(field, None, text));
                    self.bound[want] = Some(Bound { name, rank, slot });
                    batch.add_column(field);
                }
                // The same column is now under another name: which is meant must be said.
                Some(bound) if rank < bound.rank || (sole && rank != bound.rank) => {
                    return Err(self.duplicate(want, bound.name, name));
                }
                Some(bound) if rank > bound.rank => cells[want] = Cow::Borrowed(""),
                Some(_) => {}
            }
        }
        for (want, bound) in self.bound.iter().enumerate() {
            if let Some(bound) = bound {
                batch.push_copy(bound.slot, cells[want].as_bytes());
            }
        }
        batch.end_row();
        Ok(())
    }

    fn duplicate(&self, want: usize, first: usize, second: usize) -> InputError {
        let names = [first, second].map(|name| self.names.all[name].text.as_bytes());
        let field = self.names.wants[want].field;
        let found = HeaderNames::of(names);
        InputError::DuplicateColumn { at: self.at.clone(), field, found }
    }
}

/// A value as a cell; none for an array, an object or a string that is not one. Meta's options
/// are an array by their standard, and are handed on as written.
fn cell(value: &RawValue, field: Field) -> Option<Cow<'_, str>> {
    let token = value.get();
    match token.as_bytes().first()? {
        b'[' if field == Field::DataProcessingOptions => Some(Cow::Borrowed(token)),
        b'{' | b'[' => None,
        b'n' => Some(Cow::Borrowed("")),
        b'"' if token.contains('\\') => serde_json::from_str(token).ok().map(Cow::Owned),
        b'"' => token.get(1..token.len() - 1).map(Cow::Borrowed),
        _ => Some(Cow::Borrowed(token)),
    }
}

/// Reads one object.
struct Line<'names> {
    names: &'names mut Names,
}

struct LineRead<'line> {
    picks: Vec<Pick<'line>>,
    /// A want, and two names that could both be it.
    rivals: Option<(usize, usize, usize)>,
}

impl<'line> Visitor<'line> for Line<'_> {
    type Value = LineRead<'line>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'line>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picks: Vec<Pick<'line>> = vec![None; self.names.wants.len()];
        let mut rivals = None;
        while let Some(name) = map.next_key_seed(Key { names: &mut *self.names })? {
            if name == UNWANTED {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &'line RawValue = map.next_value()?;
            for &(want, rank) in &self.names.all[name].fits {
                let sole = header::is_sole(self.names.wants[want].field);
                match picks[want] {
                    Some((other, _, _)) if other == name => {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                    Some((other, other_rank, _)) if sole || rank == other_rank => {
                        rivals = Some((want, other, name));
                    }
                    Some((_, other_rank, _)) if rank > other_rank => {}
                    _ => picks[want] = Some((name, rank, value)),
                }
            }
        }
        Ok(LineRead { picks, rivals })
    }
}

/// Looks a name up without copying it.
struct Key<'names> {
    names: &'names mut Names,
}

impl<'line> DeserializeSeed<'line> for Key<'_> {
    type Value = usize;

    fn deserialize<D: serde::Deserializer<'line>>(self, key: D) -> Result<usize, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.names.look_up(name))
    }
}
