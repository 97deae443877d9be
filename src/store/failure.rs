//! What does a client's error mean?
//!
//! The client's own words hold what a server answered, and that may quote what was sent; so they
//! are looked at and thrown away. Only a status is kept.

use std::error::Error;

use object_store::Error as ClientError;
use object_store::client::{HttpError, HttpErrorKind};

use super::StoreError;
use super::connector::Stopped;

/// What S3 says, with status 400, of temporary credentials that have run out.
const EXPIRED: [&str; 2] = ["ExpiredToken", "InvalidToken"];

pub(super) fn meaning(error: &ClientError) -> StoreError {
    match error {
        ClientError::NotFound { .. } => StoreError::NotFound,
        ClientError::PermissionDenied { .. } | ClientError::Unauthenticated { .. } => {
            StoreError::Denied
        }
        ClientError::Precondition { .. } | ClientError::NotModified { .. } => StoreError::Changed,
        ClientError::AlreadyExists { .. } => StoreError::Taken,
        ClientError::InvalidPath { .. }
        | ClientError::NotSupported { .. }
        | ClientError::NotImplemented { .. }
        | ClientError::UnknownConfigurationKey { .. } => StoreError::Settings,
        other => by_cause(other),
    }
}

fn by_cause(error: &ClientError) -> StoreError {
    let mut cause: Option<&dyn Error> = Some(error);
    let mut found = StoreError::Broken;
    while let Some(error) = cause {
        if let Some(stopped) = error.downcast_ref::<Stopped>() {
            return match stopped {
                Stopped::InTheClear => StoreError::InTheClear,
                Stopped::NoTls => StoreError::Settings,
            };
        }
        if let Some(http) = error.downcast_ref::<HttpError>() {
            found = match http.kind() {
                HttpErrorKind::Connect => StoreError::Unreachable,
                HttpErrorKind::Timeout => StoreError::Timeout,
                _ => StoreError::Broken,
            };
        }
        cause = error.source();
    }
    if found == StoreError::Broken { by_status(&error.to_string()) } else { found }
}

/// The client keeps a status that it has no name for in its text alone.
fn by_status(text: &str) -> StoreError {
    if EXPIRED.iter().any(|word| text.contains(word)) {
        return StoreError::Denied;
    }
    let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
    match status {
        Some(300..=399) => StoreError::Settings,
        Some(401 | 403) => StoreError::Denied,
        // So a list of a bucket that is not there is answered.
        Some(404) => StoreError::NotFound,
        Some(status) => StoreError::Status(status),
        None if text.contains("redirect without LOCATION") => StoreError::Settings,
        None => StoreError::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> ClientError {
        ClientError::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn a_status_is_all_that_is_kept_of_an_answer() {
        let text = "Server returned non-2xx status code: 503 Service Unavailable: SlowDown";
        assert_eq!(meaning(&generic(text)), StoreError::Status(503));
        let text = "Server returned non-2xx status code: 301 Moved Permanently: ";
        assert_eq!(meaning(&generic(text)), StoreError::Settings);
        let text = "Server returned non-2xx status code: 404 Not Found: NoSuchBucket";
        assert_eq!(meaning(&generic(text)), StoreError::NotFound);
        let text = "status code: 400 Bad Request: <Code>ExpiredToken</Code>";
        assert_eq!(meaning(&generic(text)), StoreError::Denied);
        assert_eq!(meaning(&generic("status code: ")), StoreError::Broken);
    }

    #[test]
    fn what_was_stopped_here_is_told_from_what_failed_there() {
        let http = HttpError::new(HttpErrorKind::Unknown, Stopped::InTheClear);
        let error = ClientError::Generic { store: "S3", source: Box::new(http) };
        assert_eq!(meaning(&error), StoreError::InTheClear);
    }
}
