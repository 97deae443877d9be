//! Why a row could not be read. Counted, never quoted.

/// Why a row was rejected: a fact about its form that holds no part of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RejectReason {
    /// Nothing there: empty, blank, or a word for nothing (`N/A`, `null`, `NaN`, `-`).
    Empty,
    /// libphonenumber: the text does not have the form of a number.
    NotANumber,
    /// libphonenumber: no known calling code after the plus, or no region to read against.
    InvalidCountryCode,
    /// libphonenumber: too little is left after the international dialling prefix.
    TooShortAfterIdd,
    /// libphonenumber: the national significant number is too short to be one.
    TooShort,
    /// libphonenumber: the national significant number is too long to be one, or the text is.
    TooLong,
    /// libphonenumber: read, but no such number exists in its region.
    InvalidForRegion,
    /// Ours: a spreadsheet's scientific notation; digits are lost.
    Scientific,
    /// Ours: a float's `.0` behind the digits; the library would read another person's number.
    FloatSuffix,
    /// Ours: several numbers in one cell.
    MultipleNumbers,
    /// Ours: a filler such as `0000000000` or `+12345678900`.
    Placeholder,
    /// Ours: a NUL byte in the cell.
    NulByte,
    /// Ours: the cell is not text in the file's encoding.
    BadEncoding,
    /// Ours: the number is of a type that the policy does not take for a person's.
    NotPersonal,
    /// Ours: the number belongs to no territory, and the policy takes none such for a person's.
    NonGeographic,
    /// Ours: the row is cut or has too few columns to hold a number, or is not the format's row.
    MalformedRow,
    /// Ours: the cell should hold a SHA-256 digest and does not.
    NotAHash,
    /// Ours: the row's list or advertiser is not a plain identifier.
    BadIdentifier,
    /// Ours: the row names another advertiser than the one whose list the job says it is.
    ForeignRecipient,
}

/// libphonenumber's own two words for a number that is not valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// Parsing failed.
    Unparsable,
    /// Parsed; no valid number.
    Invalid,
}

impl RejectReason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 19] = [
        Self::Empty,
        Self::NotANumber,
        Self::InvalidCountryCode,
        Self::TooShortAfterIdd,
        Self::TooShort,
        Self::TooLong,
        Self::InvalidForRegion,
        Self::Scientific,
        Self::FloatSuffix,
        Self::MultipleNumbers,
        Self::Placeholder,
        Self::NulByte,
        Self::BadEncoding,
        Self::NotPersonal,
        Self::NonGeographic,
        Self::MalformedRow,
        Self::NotAHash,
        Self::BadIdentifier,
        Self::ForeignRecipient,
    ];

    /// The name used in `rejects.parquet`, `report.json` and the `normalise` command.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotANumber => "not_a_number",
            Self::InvalidCountryCode => "invalid_country_code",
            Self::TooShortAfterIdd => "too_short_after_idd",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::InvalidForRegion => "invalid_for_region",
            Self::Scientific => "scientific",
            Self::FloatSuffix => "float_suffix",
            Self::MultipleNumbers => "multiple_numbers",
            Self::Placeholder => "placeholder",
            Self::NulByte => "nul_byte",
            Self::BadEncoding => "bad_encoding",
            Self::NotPersonal => "not_personal",
            Self::NonGeographic => "non_geographic",
            Self::MalformedRow => "malformed_row",
            Self::NotAHash => "not_a_hash",
            Self::BadIdentifier => "bad_identifier",
            Self::ForeignRecipient => "foreign_recipient",
        }
    }

    /// Which of libphonenumber's two outcomes this is. A number that was parsed and is not
    /// valid is [`Unread::Invalid`]; everything else never became a number.
    #[must_use]
    pub const fn unread(self) -> Unread {
        match self {
            Self::InvalidForRegion
            | Self::Placeholder
            | Self::NotPersonal
            | Self::NonGeographic => Unread::Invalid,
            _ => Unread::Unparsable,
        }
    }
}
