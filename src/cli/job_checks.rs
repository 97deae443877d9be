//! What cannot be meant: parts of a job that are sound each and do not go together.

use std::collections::BTreeMap;

use phonematch::consent::Signal;
use phonematch::input::{Field, Location, Role};
use phonematch::job::Job;
use phonematch::policy::ColumnRules;

use super::failure::Failure;
use super::job_file::wrong;

/// Refuses a job that contradicts itself or its policy.
pub fn check(job: &Job) -> Result<(), Failure> {
    check_stdin(job)?;
    check_signals(job)?;
    check_columns(job)
}

/// Standard input can be one input, and never the opt-outs, which are read twice.
fn check_stdin(job: &Job) -> Result<(), Failure> {
    let is_stdin = |location: &&Location| **location == Location::Stdin;
    if job.opt_outs.patterns.iter().any(|pattern| pattern == "-") {
        return Err(wrong("opt-outs are read twice and cannot come from standard input"));
    }
    let lists = job.lists.iter().flat_map(|list| &list.files.locations);
    if job.accounts.locations.iter().chain(lists).filter(is_stdin).count() > 1 {
        return Err(wrong("standard input can be named once only"));
    }
    Ok(())
}

/// A mapped signal is one that somebody counts on: where it would not be read, the job is wrong.
fn check_signals(job: &Job) -> Result<(), Failure> {
    let elsewhere = job.lists.iter().map(|list| &list.files.columns).chain([&job.opt_outs.columns]);
    let strays = elsewhere.flat_map(BTreeMap::keys);
    if let Some(signal) = strays.copied().find_map(Signal::of_field) {
        let field = signal.field();
        return Err(wrong(format!("{field} is read from the accounts only; map it there")));
    }
    let mapped = job.accounts.columns.keys().copied().filter_map(Signal::of_field);
    match mapped.into_iter().find(|signal| !signal.governs(job.purpose)) {
        Some(signal) => Err(wrong(format!(
            "{} says nothing about {} and would not be read; take it out of accounts.columns",
            signal.field(),
            job.purpose.name()
        ))),
        None => Ok(()),
    }
}

/// A column that the policy does not let a run read is no column of the job.
fn check_columns(job: &Job) -> Result<(), Failure> {
    let check = |rules: &ColumnRules, role, columns: &BTreeMap<Field, String>| match columns
        .keys()
        .find(|&&field| !rules.allow(role, field))
    {
        None => Ok(()),
        Some(field) => Err(wrong(format!(
            "the job maps the column {field} of {role}, which the policy's columns do not allow"
        ))),
    };
    let rules = &job.policy.columns;
    check(rules, Role::Accounts, &job.accounts.columns)?;
    job.lists.iter().try_for_each(|list| check(rules, Role::List, &list.files.columns))
}
