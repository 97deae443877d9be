//! Why may the match rate be low, and what else should somebody know?
//!
//! Each rule looks at one figure of one input, and says what was found, how much of it, and what
//! can be done. The limits are named here, one by one: they decide what is worth a line, and
//! nothing else hangs on them.

use super::super::place::Place;
use super::super::waves;
use super::rejected::{REJECTED, Rejected, SOME_DAMAGE, SOME_LOSS};
use super::{
    Context, Dialect, Finding, GateOutcome, MatchCheck, ReadInput, ReadLists, Seen, Severity,
};
use crate::dates::Day;
use crate::input::Role;
use crate::job::IfExists;
use crate::join::LargeBooks;
use crate::normalise::{NumberType, Region, RejectReason};
use crate::privacy;
use crate::share::Share;

/// Of numbers read against a country: a clean list of that country has a few percent.
const WRONG_COUNTRY: Share = Share::percent(25);
/// Of a list's numbers: a customer list has some landlines, a list of companies mostly.
const MANY_LANDLINES: Share = Share::percent(30);
/// Of a list's numbers, and of the export's rows.
const MANY_BARRED: Share = Share::percent(10);
/// Further rows of the same number.
const MANY_DUPLICATES: Share = Share::percent(10);
/// Of a list's numbers in a territory ...
const MANY_ABROAD: Share = Share::percent(10);
/// ... that has so few of the export's.
const FEW_ACCOUNTS: Share = Share::permille(1);
/// Rates below which a list is asked for its reasons even where no rule has one.
const LOW_RATE: Share = Share::percent(1);
/// Numbers change hands, and customers change numbers: after half a year it shows.
const OLD_LIST_DAYS: u64 = 180;

/// Everything that there is to say, the most important first.
pub(super) fn of(context: Context<'_>, seen: &Seen, read: &ReadLists) -> Vec<Finding> {
    let mut findings = Vec::new();
    place(context, &mut findings);
    unsure(seen, &mut findings);
    withheld(context, read, &mut findings);
    let export = Export::of(seen);
    for input in &seen.inputs {
        let mut rules = Rules { input, findings: &mut findings };
        if input.check.rows == 0 && input.check.is_whole {
            rules.has_no_row();
            continue;
        }
        match input.ledger.role {
            Role::OptOuts => opt_outs(&mut rules),
            Role::List => list(&mut rules, &export),
            Role::Accounts => accounts(&mut rules),
        }
    }
    findings.sort_by_key(|finding| (finding.severity, std::cmp::Reverse(finding.share)));
    findings
}

/// Where the export's numbers are from, over all its files.
struct Export {
    numbers: u64,
    regions: std::collections::BTreeMap<Region, u64>,
}

impl Export {
    fn of(seen: &Seen) -> Self {
        let mut all = super::Survey::default();
        let accounts = seen.inputs.iter().filter(|input| input.ledger.role == Role::Accounts);
        accounts.for_each(|input| all.add(&input.survey));
        Self { numbers: all.numbers(), regions: all.regions }
    }
}

struct Rules<'a> {
    input: &'a ReadInput,
    findings: &'a mut Vec<Finding>,
}

/// A rule's figure and words.
struct Rule {
    severity: Severity,
    name: &'static str,
    count: u64,
    of: u64,
    from: Share,
}

impl Rules<'_> {
    /// Notes a file that says nothing of anybody.
    fn has_no_row(&mut self) {
        let severity = match self.input.ledger.role {
            Role::Accounts | Role::List => Severity::Warning,
            // An empty suppression list is a gate of the policy's.
            Role::OptOuts => return,
        };
        self.findings.push(Finding {
            severity,
            rule: "no_row",
            file: Some(self.input.check.file.clone()),
            share: Share::WHOLE,
            found: "a header, and no row".to_owned(),
            remedy: "check whether what wrote it has run".to_owned(),
        });
    }

    /// Notes a rule whose figure is worth a line. `found` goes on behind the figure.
    fn look(&mut self, rule: &Rule, found: &str, remedy: &str) {
        let &Rule { severity, name, count, of, from } = rule;
        if count == 0 || from.is_missed_by(count, of) {
            return;
        }
        let share = Share::of(count, of);
        self.findings.push(Finding {
            severity,
            rule: name,
            file: Some(self.input.check.file.clone()),
            share,
            found: format!("{share} {found} ({count} of {of})"),
            remedy: remedy.to_owned(),
        });
    }
}

/// A rule about the match rate.
const fn low(name: &'static str, count: u64, of: u64, from: Share) -> Rule {
    Rule { severity: Severity::LowMatchRate, name, count, of, from }
}

fn list(rules: &mut Rules<'_>, export: &Export) {
    // Where nobody is in the export the list is not to blame.
    if export.numbers == 0 {
        return;
    }
    countries(rules, export);
    unreadable(rules);
    people(rules);
    dialect(rules);
    let Some(matches) = rules.input.check.matches else { return };
    let is_explained = rules.findings.iter().any(|finding| {
        finding.severity == Severity::LowMatchRate
            && finding.file.as_ref() == Some(&rules.input.check.file)
    });
    if !is_explained && matches.numbers > 0 && matches.between[1] < LOW_RATE {
        rules.findings.push(Finding {
            severity: Severity::LowMatchRate,
            rule: "few_match",
            file: Some(rules.input.check.file.clone()),
            share: matches.rate,
            found: format!(
                "only {} of the numbers are accounts, and nothing in the file says why",
                matches.rate
            ),
            remedy: "ask whether these are people who use the messenger at all".to_owned(),
        });
    }
}

/// Numbers that are read against no country, the wrong one, or one without accounts.
fn countries(rules: &mut Rules<'_>, export: &Export) {
    let survey = &rules.input.survey;
    let (cells, numbers) = (survey.cells, survey.numbers());
    let (by_job, by_row, lost) = (survey.by_job, survey.by_row, survey.lost_plus);
    let without_country = survey.without_country;
    let rule = low("no_country", without_country, cells, SOME_LOSS);
    rules.look(
        &rule,
        "of the numbers have neither a plus nor a country, so that nobody can tell whose they are",
        "set country for the list, or add a column country",
    );
    let rule = low("lost_plus", lost, cells, SOME_LOSS);
    rules.look(
        &rule,
        "of the numbers would be good international ones with a plus in front, and are none without",
        "write them with the plus",
    );
    let rule = low("wrong_country", by_job.rejected, by_job.cells, WRONG_COUNTRY);
    rules.look(
        &rule,
        "of the numbers that are read against the list's country are none there",
        "check country of the list in the job, or add a column country",
    );
    let rule = low("wrong_row_country", by_row.rejected, by_row.cells, WRONG_COUNTRY);
    rules.look(
        &rule,
        "of the numbers that are read against the country in their row are none there",
        "check that the column holds the number's country and not, say, the order's",
    );
    let elsewhere = |region: &Region| {
        let accounts = export.regions.get(region).copied().unwrap_or(0);
        FEW_ACCOUNTS.is_missed_by(accounts, export.numbers)
    };
    let survey = &rules.input.survey;
    for (region, &count) in survey.regions.iter().filter(|(region, _)| elsewhere(region)) {
        let rule = Rule {
            severity: Severity::LowMatchRate,
            name: "few_accounts_there",
            count,
            of: numbers,
            from: MANY_ABROAD,
        };
        rules.look(
            &rule,
            &format!("of the numbers are of {region}, where the export has hardly an account"),
            "if that is a surprise, check the list's country",
        );
    }
}

/// Rows that are no number, by what was done to them.
fn unreadable(rules: &mut Rules<'_>) {
    let (rejected, rows) = (&rules.input.ledger.rejected, rules.input.check.rows);
    // For libphonenumber a number of five digits is not too short, it only exists nowhere.
    let short = rules.input.survey.short;
    for Rejected { reason, from, found, remedy } in REJECTED {
        let count = match reason {
            RejectReason::TooShort => {
                rejected.of(reason) + rejected.of(RejectReason::TooShortAfterIdd) + short
            }
            RejectReason::InvalidForRegion => rejected.of(reason).saturating_sub(short),
            reason => rejected.of(reason),
        };
        rules.look(&low(reason.name(), count, rows, from), found, remedy);
    }
}

/// Numbers that are read, and whose they are.
fn people(rules: &mut Rules<'_>) {
    let survey = &rules.input.survey;
    let (landlines, numbers) = (survey.of_kind(NumberType::FixedLine), survey.numbers());
    let duplicates = rules.input.check.duplicates;
    let rule = low("landlines", landlines, numbers, MANY_LANDLINES);
    rules.look(
        &rule,
        "of the numbers are landlines, and few people use a messenger on theirs",
        "ask for mobile numbers where the source has both",
    );
    let rule = low("duplicates", duplicates.count, duplicates.of, MANY_DUPLICATES);
    rules.look(
        &rule,
        "of the rows are further ones of the same number",
        "nothing to repair: there are fewer people on the list than rows",
    );
    if let Some(MatchCheck { numbers, barred, .. }) = rules.input.check.matches {
        let rule = low("opted_out", barred, numbers, MANY_BARRED);
        rules.look(
            &rule,
            "of the numbers are of people who said no",
            "nothing to repair; who is asked before they are on a list says no less often",
        );
    }
    let age = rules.input.check.stored.as_ref().and_then(|stored| stored.age_hours);
    if let Some(days) = age.map(|hours| hours / 24).filter(|&days| days >= OLD_LIST_DAYS) {
        rules.findings.push(Finding {
            severity: Severity::LowMatchRate,
            rule: "old_list",
            file: Some(rules.input.check.file.clone()),
            share: Share::percent(0),
            found: format!("the file was last changed {days} days ago, and numbers change hands"),
            remedy: "ask for a fresh one".to_owned(),
        });
    }
}

/// Digests in the other form, or in none.
fn dialect(rules: &mut Rules<'_>) {
    let Some(Dialect { declared, digests, e164, digits }) = rules.input.check.dialect.clone()
    else {
        return;
    };
    let (better, other) = if e164 >= digits { ("e164", digits) } else { ("digits", e164) };
    let best = e164.max(digits);
    if digests > 0 && best == 0 {
        rules.findings.push(Finding {
            severity: Severity::LowMatchRate,
            rule: "foreign_digests",
            file: Some(rules.input.check.file.clone()),
            share: Share::WHOLE,
            found: format!("none of {digests} digests is an account's number, in either form"),
            remedy: "hash the number alone, in international digits with or without the plus, by \
                     plain SHA-256: no salt, no national spelling"
                .to_owned(),
        });
        return;
    }
    let is_other = declared != better && best > other;
    let count = if is_other && declared != "probe" { best } else { 0 };
    let rule = low("other_form", count, digests, Share::from_millionths(1));
    rules.look(
        &rule,
        &format!("of the digests are accounts' in the form {better}, and the job says {declared}"),
        &format!("say phones = \"{better}\" for the list"),
    );
    if declared == "probe" && is_other {
        rules.findings.push(Finding {
            severity: Severity::Note,
            rule: "form_found",
            file: Some(rules.input.check.file.clone()),
            share: Share::of(best, digests),
            found: format!(
                "the digests are in the form {better} ({best} found, {other} otherwise)"
            ),
            remedy: format!("phones = \"{better}\" saves looking for the other"),
        });
    }
}

fn accounts(rules: &mut Rules<'_>) {
    let (ledger, rows) = (&rules.input.ledger, rules.input.check.rows);
    let (rejected, barred) = (ledger.rejected.total(), ledger.barred);
    let rule = Rule {
        severity: Severity::Warning,
        name: "unread_accounts",
        count: rejected,
        of: rows,
        from: SOME_LOSS,
    };
    rules.look(
        &rule,
        "of the export's rows are no number, so that nobody of them can match",
        "see the reasons above; an export holds international digits",
    );
    let rule = low("barred_accounts", barred, rows, MANY_BARRED);
    rules.look(
        &rule,
        "of the export's rows are of people who said no, or did not say yes where they must",
        "nothing to repair, if the consent column is the right one and its words are read well",
    );
    let unread = rules.input.ledger.barred_by.of(crate::consent::BarReason::Unreadable);
    let rule = Rule {
        severity: Severity::Warning,
        name: "unreadable_consent",
        count: unread,
        of: rows,
        from: SOME_DAMAGE,
    };
    rules.look(
        &rule,
        "of the export's rows have a consent that nobody can read, which counts as a no",
        "check that the column holds consent, in words such as granted and denied",
    );
}

fn opt_outs(rules: &mut Rules<'_>) {
    let other = rules.input.check.other_purpose;
    let rule = Rule {
        severity: Severity::Note,
        name: "other_purpose",
        count: other,
        of: rules.input.check.rows,
        from: SOME_LOSS,
    };
    rules.look(&rule, "of the opt-outs are for other purposes", "nothing to repair");
}

/// What is in the run's place.
fn place(context: Context<'_>, findings: &mut Vec<Finding>) {
    let job = context.job;
    if job.if_exists == IfExists::Replace || !Place::is_taken(job) {
        return;
    }
    let (found, remedy) = match job.if_exists {
        IfExists::Error => ("a run would refuse, with exit code 73", "choose another out"),
        _ => ("a run would be skipped", "nothing to do"),
    };
    findings.push(Finding {
        severity: Severity::Warning,
        rule: "run_folder",
        file: None,
        share: Share::percent(0),
        found: format!("the run folder is there already: {found}"),
        remedy: remedy.to_owned(),
    });
}

/// Gates that the sample cannot tell of.
fn unsure(seen: &Seen, findings: &mut Vec<Finding>) {
    for check in seen.gates.iter().filter(|check| check.outcome == GateOutcome::Unsure) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "near_a_gate",
            file: check.file.clone(),
            share: Share::WHOLE,
            found: format!(
                "the sample is at {} and gates.{} at {}: too close to tell",
                check.found, check.gate, check.limit
            ),
            remedy: "validate again with --sample 100%".to_owned(),
        });
    }
}

/// Lists that a floor would keep back; in a sample nobody can tell.
fn withheld(context: Context<'_>, read: &ReadLists, findings: &mut Vec<Finding>) {
    let floors = &context.job.policy.floors;
    if context.sample != Share::WHOLE {
        return;
    }
    let policy = &context.job.policy;
    let books = policy.most_contacts.map(|most| LargeBooks::of(&read.index, most, read.reserved));
    let large_books = books.unwrap_or_default();
    if let (Some(most), owners @ 1..) = (policy.most_contacts, large_books.owners()) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "too_many_contacts",
            file: None,
            share: Share::percent(0),
            found: format!(
                "{owners} owners would be suggested nobody: their address books hold more than the \
                 {most} numbers that the policy's most_contacts allows"
            ),
            remedy: "ask where so many come from; an address book is to hold acquaintances only"
                .to_owned(),
        });
    }
    let today = Day::today();
    let gates = privacy::Gates { policy, today, drawn: None, large_books: &large_books };
    let counted = privacy::count(&read.index, read.reserved, &gates, |stretches, of| {
        waves::map(stretches, of)
    });
    let counted = counted.lists;
    let all = counted.len() as u64;
    let is_large = |list: &&privacy::Counted| list.is_too_large();
    let large = counted.iter().filter(is_large).count() as u64;
    if let (Some(most), 1..) = (context.job.policy.most_list_numbers, large) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "lists_too_large",
            file: None,
            share: Share::of(large, all),
            found: format!(
                "{large} of {all} lists would be withheld: their recipients bring more than the \
                 {most} numbers that the policy's most_list_numbers allows"
            ),
            remedy: "ask where so many come from; a recipient is to bring customers only"
                .to_owned(),
        });
    }
    let is_short = |list: &&privacy::Counted| {
        list.numbers() < floors.list_numbers || list.matched() < floors.matched_people
    };
    let short = counted.iter().filter(is_short).count() as u64;
    if short > 0 {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "below_a_floor",
            file: None,
            share: Share::of(short, all),
            found: format!(
                "{short} of {all} lists would be withheld: the policy asks for {} numbers and {} \
                 people matched",
                floors.list_numbers, floors.matched_people
            ),
            remedy: "longer lists; a floor is there so that nobody stands alone".to_owned(),
        });
    }
}
