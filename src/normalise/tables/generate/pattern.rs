//! The patterns of libphonenumber's metadata, read into a tree.
//!
//! They use digits, classes, `\d`, groups, `|`, `?`, `{n}`, `{n,m}` and `$` and nothing else. A
//! pattern with anything else stops the generator: the tables would not be exact.

/// A pattern over decimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One digit of a set: bit `d` stands for the digit `d`.
    Class(u16),
    /// One after the other.
    Concat(Vec<Pattern>),
    /// The first that leads to a match, in this order.
    Alt(Vec<Pattern>),
    /// Greedy repetition.
    Repeat(Box<Pattern>, usize, usize),
    /// A capturing group, numbered from 1 by its opening parenthesis.
    Group(usize, Box<Pattern>),
    /// `$`: the end of the text.
    End,
}

/// Reads a pattern as the metadata file spells it: `^(?:…)$`.
///
/// # Errors
///
/// A description of the first thing that is not understood.
pub fn parse_anchored(text: &str) -> Result<Pattern, String> {
    let inner = text
        .strip_prefix("^(?:")
        .and_then(|rest| rest.strip_suffix(")$"))
        .ok_or_else(|| format!("not anchored: {text}"))?;
    if inner.is_empty() {
        return Err("an empty pattern".to_owned());
    }
    let mut parser = Parser { text: inner.as_bytes(), at: 0, groups: 0 };
    let pattern = parser.alternatives()?;
    if parser.at == parser.text.len() {
        Ok(pattern)
    } else {
        Err(format!("not understood at {}: {inner}", parser.at))
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    groups: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, expected: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    fn alternatives(&mut self) -> Result<Pattern, String> {
        let mut found = vec![self.sequence()?];
        while self.take(b"|") {
            found.push(self.sequence()?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { Pattern::Alt(found) })
    }

    fn sequence(&mut self) -> Result<Pattern, String> {
        let mut found = Vec::new();
        while !matches!(self.peek(), None | Some(b'|' | b')')) {
            let item = self.item()?;
            found.push(self.repeated(item)?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { Pattern::Concat(found) })
    }

    fn item(&mut self) -> Result<Pattern, String> {
        if self.take(b"(?:") {
            let inner = self.alternatives()?;
            return self.take(b")").then_some(inner).ok_or_else(|| self.unexpected());
        }
        if self.take(b"(") {
            self.groups += 1;
            let group = self.groups;
            let inner = Box::new(self.alternatives()?);
            let closed = self.take(b")");
            return closed.then_some(Pattern::Group(group, inner)).ok_or_else(|| self.unexpected());
        }
        if self.take(b"$") {
            return Ok(Pattern::End);
        }
        if self.take(b"[") {
            return self.class();
        }
        self.digits().map(Pattern::Class)
    }

    /// `\d` or one digit, as a set.
    fn digits(&mut self) -> Result<u16, String> {
        if self.take(b"\\d") {
            return Ok(0x3ff);
        }
        match self.peek() {
            Some(digit @ b'0'..=b'9') => {
                self.at += 1;
                Ok(1 << (digit - b'0'))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn class(&mut self) -> Result<Pattern, String> {
        let mut set = 0;
        while !self.take(b"]") {
            let first = self.digits()?;
            if self.take(b"-") {
                let last = self.digits()?;
                if first.count_ones() != 1 || last.count_ones() != 1 || last < first {
                    return Err(self.unexpected());
                }
                set |= (last << 1) - first;
            } else {
                set |= first;
            }
        }
        Ok(Pattern::Class(set))
    }

    fn repeated(&mut self, item: Pattern) -> Result<Pattern, String> {
        let (min, max) = if self.take(b"?") {
            (0, 1)
        } else if self.take(b"{") {
            let min = self.number()?;
            let max = if self.take(b",") { self.number()? } else { min };
            if !self.take(b"}") || max < min {
                return Err(self.unexpected());
            }
            (min, max)
        } else {
            return Ok(item);
        };
        if matches!(self.peek(), Some(b'?' | b'*' | b'+' | b'{')) {
            return Err(self.unexpected());
        }
        Ok(Pattern::Repeat(Box::new(item), min, max))
    }

    fn number(&mut self) -> Result<usize, String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        std::str::from_utf8(&self.text[start..self.at])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.unexpected())
    }

    fn unexpected(&self) -> String {
        format!("not understood at {}: {}", self.at, String::from_utf8_lossy(self.text))
    }
}

impl Pattern {
    /// Highest number of a capturing group.
    pub fn groups(&self) -> usize {
        match self {
            Self::Class(_) | Self::End => 0,
            Self::Concat(parts) | Self::Alt(parts) => {
                parts.iter().map(Self::groups).max().unwrap_or(0)
            }
            Self::Repeat(inner, ..) => inner.groups(),
            Self::Group(number, inner) => (*number).max(inner.groups()),
        }
    }
}
