//! What each reason for which rows are rejected says of a list, and what can be done.

use crate::normalise::RejectReason;
use crate::share::Share;

/// Damage that a spreadsheet or an export does is worth a line from one row in a thousand.
pub(super) const SOME_DAMAGE: Share = Share::permille(1);
/// What is lost but not damaged, from one row in a hundred.
pub(super) const SOME_LOSS: Share = Share::percent(1);
/// Rows that cannot be read for one reason.
const MANY_REJECTED: Share = Share::percent(5);
/// What repairs most of what a spreadsheet does.
const AS_TEXT: &str = "write the column as text, in the spreadsheet or the query that exports it";

/// What a reason for rejecting says of a list.
pub(super) struct Rejected {
    pub(super) reason: RejectReason,
    /// The share of rows from which it is worth a line.
    pub(super) from: Share,
    pub(super) found: &'static str,
    pub(super) remedy: &'static str,
}

pub(super) const REJECTED: [Rejected; 16] = [
    Rejected {
        reason: RejectReason::TooShort,
        from: MANY_REJECTED,
        found: "of the rows are too short to be a number",
        remedy: "look for lost digits or area codes at the source; check the list's country",
    },
    Rejected {
        reason: RejectReason::TooLong,
        from: MANY_REJECTED,
        found: "of the rows are too long to be a number",
        remedy: "look for two numbers run together, or ids in the column",
    },
    Rejected {
        reason: RejectReason::InvalidForRegion,
        from: MANY_REJECTED,
        found: "of the rows are numbers that do not exist where they would be",
        remedy: "check the list's country, and whether the numbers are real",
    },
    Rejected {
        reason: RejectReason::NotANumber,
        from: MANY_REJECTED,
        found: "of the rows hold something other than a number",
        remedy: "check which column is read as the phone number",
    },
    Rejected {
        reason: RejectReason::Scientific,
        from: SOME_DAMAGE,
        found: "of the rows are in scientific notation: their last digits are lost",
        remedy: AS_TEXT,
    },
    Rejected {
        reason: RejectReason::FloatSuffix,
        from: SOME_DAMAGE,
        found: "of the rows end in a fraction: they were a float on the way",
        remedy: AS_TEXT,
    },
    Rejected {
        reason: RejectReason::NulByte,
        from: SOME_DAMAGE,
        found: "of the rows hold NUL bytes",
        remedy: AS_TEXT,
    },
    Rejected {
        reason: RejectReason::BadEncoding,
        from: SOME_DAMAGE,
        found: "of the rows are not UTF-8",
        remedy: "export the file as UTF-8",
    },
    Rejected {
        reason: RejectReason::MalformedRow,
        from: SOME_DAMAGE,
        found: "of the rows have other cells than the header says",
        remedy: "look for a delimiter or a quote inside of cells that are not quoted",
    },
    Rejected {
        reason: RejectReason::MultipleNumbers,
        from: SOME_LOSS,
        found: "of the rows hold several numbers in a cell",
        remedy: "say several_numbers = \"separate\" for the list if each is the customer's",
    },
    Rejected {
        reason: RejectReason::Placeholder,
        from: SOME_LOSS,
        found: "of the rows are fillers such as ten zeros",
        remedy: "the form that takes them may insist on a number where people give none",
    },
    Rejected {
        reason: RejectReason::Empty,
        from: MANY_REJECTED,
        found: "of the rows have no number",
        remedy: "check which column is read; customers without a number cannot match",
    },
    Rejected {
        reason: RejectReason::NotPersonal,
        from: SOME_LOSS,
        found: "of the rows are of a type that the policy takes for nobody's",
        remedy: "service numbers match no person; number_types in the policy says which do",
    },
    Rejected {
        reason: RejectReason::NotAHash,
        from: SOME_LOSS,
        found: "of the rows are no SHA-256",
        remedy: "give 64 hex digits or Base64 of the digest, without a prefix",
    },
    Rejected {
        reason: RejectReason::BadIdentifier,
        from: SOME_DAMAGE,
        found: "of the rows name a list or an advertiser that is no plain identifier",
        remedy: "use 1 to 64 of A-Z a-z 0-9 . _ - for names",
    },
    Rejected {
        reason: RejectReason::ForeignRecipient,
        from: SOME_DAMAGE,
        found: "of the rows name another advertiser than the one whose list it is",
        remedy: "ask who made the file; a file for several advertisers is named without a recipient",
    },
];
