//! Exit codes, and what each failure says.

use std::fmt;

use phonematch::input::{ErrorKind, InputError};
use phonematch::join::ScratchError;
use phonematch::output::OutputError;
use phonematch::pipeline::{ListError, OptOutError, RunError};
use phonematch::privacy::{HistoryError, LedgerError};
use phonematch::store::StoreError;

use super::Done;

/// The command line is wrong; the parser ends with the same.
pub const USAGE: u8 = 2;
/// A check on the data failed; nothing was published.
pub const DATA: u8 = 65;
/// An input is missing, empty or stale.
pub const NO_INPUT: u8 = 66;
/// A bug.
pub const BUG: u8 = 70;
/// The output is there already.
pub const EXISTS: u8 = 73;
/// Reading or writing failed; try again.
pub const IO: u8 = 74;
/// Another run holds the lock; try again.
pub const LOCKED: u8 = 75;
/// The secret cannot be read, or others can read it.
pub const SECRET: u8 = 77;
/// The job or the policy is wrong.
pub const CONFIG: u8 = 78;
/// Stopped by a signal.
pub const INTERRUPTED: u8 = 130;

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    /// What the command has to say all the same.
    done: Option<Box<Done>>,
    /// The setting that is wrong, where one is.
    setting: Option<String>,
}

impl Failure {
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), done: None, setting: None }
    }

    /// The failure of a command that has a result: that it is a bad one.
    pub fn with(self, done: Done) -> Self {
        Self { done: Some(Box::new(done)), ..self }
    }

    pub fn take_done(&mut self) -> Option<Box<Done>> {
        self.done.take()
    }

    /// The same, and which setting is wrong.
    pub fn about(mut self, setting: &str) -> Self {
        self.setting = Some(setting.to_owned());
        self
    }

    /// The same, its setting being one of a table.
    pub fn inside(mut self, table: &str) -> Self {
        self.setting = self.setting.map(|setting| format!("{table}.{setting}"));
        self
    }

    /// The same with the place of the wrong setting, where `place` knows it.
    pub fn at(mut self, place: impl FnOnce(&str) -> Option<String>) -> Self {
        if let Some(place) = self.setting.as_deref().and_then(place) {
            self.message = format!("{} (in {place})", self.message);
        }
        self
    }

    pub const fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let code = match error.kind() {
            ErrorKind::Missing => NO_INPUT,
            ErrorKind::Data => DATA,
            ErrorKind::Io => IO,
            ErrorKind::Job => CONFIG,
            ErrorKind::Denied => SECRET,
        };
        let cause = match &error {
            InputError::Unreadable { cause, .. } | InputError::ReadFailed { cause, .. } => {
                format!(" ({})", cause.kind())
            }
            _ => String::new(),
        };
        Self::new(code, format!("{error}{cause}"))
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        let (code, cause) = match &error {
            OutputError::Exists { .. }
            | OutputError::NotARun { .. }
            | OutputError::NotForASample { .. }
            | OutputError::OfOthers { .. } => (EXISTS, String::new()),
            OutputError::Locked { .. } => (LOCKED, String::new()),
            OutputError::Io { source, .. } => (IO, format!(" ({source})")),
            OutputError::Parquet { .. } => (IO, String::new()),
            OutputError::NoName { .. } => (CONFIG, String::new()),
            OutputError::Previous { .. } => (DATA, String::new()),
            OutputError::Store { cause, .. } => (of_store(*cause), String::new()),
        };
        Self::new(code, format!("{error}{cause}"))
    }
}

/// What comes of a store that does not take a run.
const fn of_store(cause: StoreError) -> u8 {
    match cause {
        StoreError::Taken | StoreError::Changed => EXISTS,
        StoreError::Denied => SECRET,
        // A bucket that is not there is one that the job has wrong.
        StoreError::NotFound
        | StoreError::NotBuilt
        | StoreError::InTheClear
        | StoreError::Settings => CONFIG,
        _ => IO,
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let (code, cause) = match &error {
            LedgerError::Missing { .. } => (NO_INPUT, String::new()),
            LedgerError::RolledBack { .. } | LedgerError::Damaged { .. } => (DATA, String::new()),
            LedgerError::OtherSecret { .. } => (CONFIG, String::new()),
            LedgerError::Locked { .. } => (LOCKED, String::new()),
            LedgerError::Io { source, .. } => (IO, format!(" ({source})")),
        };
        Self::new(code, format!("{error}{cause}"))
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let (code, cause) = match &error {
            HistoryError::Missing { .. } => (NO_INPUT, String::new()),
            HistoryError::RolledBack { .. } | HistoryError::Damaged { .. } => (DATA, String::new()),
            HistoryError::OtherSecret { .. } => (CONFIG, String::new()),
            HistoryError::Locked { .. } => (LOCKED, String::new()),
            HistoryError::Io { source, .. } => (IO, format!(" ({source})")),
        };
        Self::new(code, format!("{error}{cause}"))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let code = match error {
            RunError::Input(error) => return error.into(),
            RunError::Output(error) => return error.into(),
            RunError::OptOuts(
                OptOutError::Shrunken { .. } | OptOutError::UnreadableRows { .. },
            )
            | RunError::List(
                ListError::HashesGivenAsNumbers { .. } | ListError::NumbersGivenAsHashes { .. },
            ) => DATA,
            RunError::OptOuts(_) => NO_INPUT,
            RunError::List(_) => CONFIG,
            RunError::CanaryEscaped { .. } | RunError::AuditFailed { .. } => BUG,
            RunError::OptOutsKeepChanging { .. } | RunError::OptOutsChanged => IO,
            RunError::Scratch(ScratchError::Io { ref source, .. }) => {
                return Self::new(IO, format!("{error} ({source})"));
            }
            RunError::Scratch(ScratchError::Changed { .. }) => IO,
            RunError::MemoryTooSmall { .. }
            | RunError::ExportReadOnce { .. }
            | RunError::NoSample { .. } => CONFIG,
            RunError::Ledger(error) => return error.into(),
            RunError::BudgetExhausted { .. } | RunError::Gates { .. } => DATA,
            RunError::History(error) => return error.into(),
            RunError::Interrupted => INTERRUPTED,
        };
        Self::new(code, error.to_string())
    }
}
