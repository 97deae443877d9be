//! How does a person read what happened?
//!
//! `report.html` is [`page()`] of the report and nothing else: one file that needs no script, no
//! network and no other file, in light and in dark, from the width of a telephone up. It shows
//! what `report.json` holds and so is the house's own, like it. [`advertiser()`] makes the page for
//! an advertiser, of what `summary.json` says of its lists and nothing else.
//!
//! Everything that comes from outside passes `words::Escaped` on its way in, and a content policy
//! in the page itself forbids whatever is not its own style.

mod advertiser;
mod flow;
mod history;
mod rows;
mod words;

use std::fmt::Write;

use super::{HASHED, InputReport, OTHERS, Report, Stage};
use crate::share::Share;
use rows::Rows;
use words::{
    Escaped, bytes, country, duration, file_name, grouped, many, moment, percent, reason, share,
};

pub use advertiser::{ToldList, advertiser};

const STYLE: &str = include_str!("style.css");

/// Roles in the order in which a reader asks: what came of the list, of the export, of the noes.
const ROLES: [(&str, &str); 3] =
    [("list", "Advertiser lists"), ("accounts", "Messenger export"), ("opt_outs", "Opt-outs")];

/// `report.html`.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut html = begin(&format!("{}: matching report", report.job));
    head(&mut html, report);
    alarms(&mut html, report);
    flows(&mut html, report);
    reasons(&mut html, report);
    lists(&mut html, report);
    countries(&mut html, report);
    html.push_str(&history::section(report));
    stages(&mut html, report);
    files(&mut html, report);
    end(
        &mut html,
        "Exact counts, for the house only: an advertiser gets its own <code>summary</code> page. \
         This page shows what <code>report.json</code> holds, which carries its digest.",
    );
    html
}

fn begin(title: &str) -> String {
    let title = Escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"robots\" content=\"noindex\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         img-src data:; style-src 'unsafe-inline'\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><main>\n"
    )
}

fn end(html: &mut String, note: &str) {
    let _ = write!(
        html,
        "\n<footer><p>{note}</p><p>{}</p></footer></main></body></html>\n",
        concat!("phonematch ", env!("CARGO_PKG_VERSION"))
    );
}

/// What most people came to see: how many, of how many, and when.
fn head(html: &mut String, report: &Report) {
    let released: u64 = report.lists.iter().map(|list| list.released).sum();
    let matched: u64 = report.lists.iter().map(|list| list.matched).sum();
    let numbers: u64 = report.lists.iter().map(|list| list.numbers).sum();
    let told = report.lists.iter().filter(|list| list.withheld.is_none()).count() as u64;
    let accounts = rows_of(report, "accounts");
    let _ = write!(
        html,
        "<header><p class=\"kind\">Matching report · {} · internal</p><h1>{}</h1>\
         <p>{}</p></header>\n{}<section class=\"facts\"><h2 class=\"unseen\">In short</h2><dl>",
        Escaped(&report.purpose.replace('_', " ")),
        Escaped(&report.job),
        moment(&report.started_at),
        report.sample.map(sampled).unwrap_or_default(),
    );
    let lists = report.lists.len() as u64;
    let rows = Rows::of(report);
    let facts = [
        (
            rows.released,
            grouped(released),
            format!("on {} of {}", grouped(told), many(lists, "list")),
        ),
        (
            "Match rate",
            percent(matched, numbers),
            format!("{} of {}", grouped(matched), many(numbers, rows.one)),
        ),
        (
            "Export",
            grouped(accounts),
            format!("rows, {} a second", grouped(report.accounts_per_second)),
        ),
        ("Time", duration(report.elapsed_ms), many(report.threads as u64, "thread")),
    ];
    for (name, figure, more) in facts {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{figure}</dd><dd>{more}</dd></div>");
    }
    html.push_str("</dl></section>\n");
}

/// What nobody may overlook: that the page is about some of the people.
fn sampled(share: Share) -> String {
    format!(
        "<section class=\"alarms\" id=\"sample\"><h2>A sample of {share} of all people</h2><p>Drawn by \
         key, so that they are the same people in lists and export. To try a job with, and not to \
         deliver by: no advertiser is told of it, no budget is charged, and no run follows it. Floors \
         are those of a whole run, so lists are withheld here that a whole run releases.</p></section>\n"
    )
}

fn rows_of(report: &Report, role: &str) -> u64 {
    report.inputs.iter().filter(|input| input.role == role).map(|input| input.rows_read).sum()
}

fn alarms(html: &mut String, report: &Report) {
    let restarts = (report.restarts > 0).then(|| {
        format!(
            "the opt-out list changed meanwhile: begun again {}",
            many(report.restarts.into(), "time")
        )
    });
    let mut alarms = report.alarms.iter().chain(&restarts).peekable();
    if alarms.peek().is_none() {
        return;
    }
    html.push_str("<section class=\"alarms\"><h2>Somebody should look at this</h2><ul>");
    for alarm in alarms {
        let mut letters = alarm.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        let sentence: String = first.into_iter().chain(letters).collect();
        let _ = write!(html, "<li>{}.</li>", Escaped(&sentence));
    }
    html.push_str("</ul></section>\n");
}

/// Where the rows went, role by role.
fn flows(html: &mut String, report: &Report) {
    html.push_str(
        "<section id=\"flow\"><h2>Where every row went</h2>\
         <p>Each row of each file is counted once, from the file on the left to what became of \
         it.</p><div class=\"charts\">",
    );
    for (role, title) in ROLES {
        let inputs = of_role(report, role);
        let rows = inputs.iter().map(|input| input.rows_read).sum();
        let fates = flow::fates(&inputs);
        let _ = write!(
            html,
            "<figure><figcaption>{title}<b>{} in {}</b></figcaption>{}</figure>",
            many(rows, "row"),
            many(inputs.len() as u64, "file"),
            flow::drawing(role, &fates).unwrap_or_else(|| "<p>No rows.</p>".to_owned()),
        );
    }
    html.push_str("</div></section>\n");
}

fn of_role<'a>(report: &'a Report, role: &str) -> Vec<&'a InputReport> {
    report.inputs.iter().filter(|input| input.role == role).collect()
}

/// A row of a bar chart made of text: a name, a figure and a bar.
struct Bar {
    name: String,
    figure: String,
    /// Of the longest bar's length, between 0 and 1.
    length: f64,
    class: &'static str,
}

fn bars(html: &mut String, bars: impl IntoIterator<Item = Bar>) {
    html.push_str("<ol class=\"bars\">");
    for bar in bars {
        let Bar { name, figure, length, class } = bar;
        let _ = write!(
            html,
            "<li><span>{name}</span><span class=\"n\">{figure}</span><span class=\"bar\">\
             <i class=\"b-{class}\" style=\"width:{:.2}%\"></i></span></li>",
            length.clamp(0.0, 1.0) * 100.0
        );
    }
    html.push_str("</ol>");
}

/// Why rows could not be read, and why they may not be used.
fn reasons(html: &mut String, report: &Report) {
    html.push_str("<section id=\"reasons\"><h2>Why rows were left out</h2><div class=\"charts\">");
    let mut is_empty = true;
    for (role, title) in ROLES {
        let inputs = of_role(report, role);
        let rejected = inputs.iter().flat_map(|input| &input.rejected_by);
        let barred = inputs.iter().flat_map(|input| &input.barred_by);
        let mut counts: Vec<(&str, &'static str, u64)> = Vec::new();
        let withheld = inputs.iter().flat_map(|input| &input.withheld_by);
        let named = rejected
            .map(|it| ("rejected", it))
            .chain(barred.map(|it| ("barred", it)))
            .chain(withheld.map(|it| ("withheld", it)));
        for (class, (name, count)) in named {
            match counts.iter_mut().find(|known| known.0 == name && known.1 == class) {
                Some(known) => known.2 += count,
                None => counts.push((name.as_str(), class, *count)),
            }
        }
        counts.sort_by_key(|&(name, _, count)| (std::cmp::Reverse(count), name));
        let Some(&(_, _, most)) = counts.first() else { continue };
        is_empty = false;
        let rows = inputs.iter().map(|input| input.rows_read).sum();
        let _ = write!(html, "<div><h3>{title}</h3>");
        bars(
            html,
            counts.into_iter().map(|(name, class, count)| Bar {
                name: reason(name),
                figure: format!("{} · {}", grouped(count), percent(count, rows)),
                length: share(count, most),
                class,
            }),
        );
        html.push_str("</div>");
    }
    html.push_str("</div>");
    if is_empty {
        html.push_str("<p>None was.</p>");
    } else {
        html.push_str(
            "<p class=\"note\"><i class=\"key b-rejected\"></i> could not be read \
             <i class=\"key b-barred\"></i> may not be used \
             <i class=\"key b-withheld\"></i> matched and kept back. Which rows could not be read, \
             without their text, stands in <code>rejects.parquet</code>.</p>",
        );
    }
    html.push_str("</section>\n");
}

/// What each list came to.
fn lists(html: &mut String, report: &Report) {
    if report.lists.is_empty() {
        return;
    }
    let Rows { many: numbers, names, .. } = Rows::of(report);
    // A sample's recipients are told of none, so their table has no names.
    let names = report.sample.map_or(names, |_| "In the order of recipient and name.");
    let _ = write!(
        html,
        "<section id=\"lists\"><h2>Lists</h2><p class=\"note\">{names}</p><div class=\"wide\">\
         <table><thead><tr><th>List<th class=\"n\">{numbers}<th class=\"n\">Matched\
         <th class=\"n\">Rate<th class=\"n\">Released<th>Withheld because</tr></thead><tbody>",
    );
    for list in &report.lists {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td>{}</tr>",
            grouped(list.row),
            grouped(list.numbers),
            grouped(list.matched),
            percent(list.matched, list.numbers),
            grouped(list.released),
            list.withheld.as_deref().map_or_else(|| "–".to_owned(), reason),
        );
    }
    html.push_str("</tbody></table></div></section>\n");
}

/// The match rate by country; countries of few people stand together.
fn countries(html: &mut String, report: &Report) {
    if report.countries.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<section id=\"countries\"><h2>Match rate by country</h2><p class=\"note\">{} Countries \
         with fewer people than the policy’s floor stand together.</p>",
        Rows::of(report).countries,
    );
    bars(
        html,
        report.countries.iter().map(|row| Bar {
            name: country(&row.country),
            figure: format!(
                "<b>{}</b> · {} of {}",
                percent(row.matched, row.numbers),
                grouped(row.matched),
                grouped(row.numbers)
            ),
            length: share(row.matched, row.numbers),
            class: "released",
        }),
    );
    html.push_str("</section>\n");
}

/// Time by stage, in the order of the data.
fn stages(html: &mut String, report: &Report) {
    let times = || {
        Stage::ALL.into_iter().filter_map(|stage| Some((stage, report.stages.get(stage.name())?)))
    };
    let longest = times().map(|(_, time)| time.elapsed_ms).max().unwrap_or(0);
    html.push_str("<section id=\"stages\"><h2>Time by stage</h2>");
    bars(
        html,
        times().map(|(stage, time)| Bar {
            name: stage_words(stage).to_owned(),
            figure: duration(time.elapsed_ms),
            length: share(time.elapsed_ms, longest),
            class: "time",
        }),
    );
    let memory =
        report.peak_memory_bytes.map(|peak| format!(", {} of memory at most", bytes(peak)));
    let _ = write!(
        html,
        "<p class=\"note\">{} in all with {}; a stage counts the time of each of its threads\
         {}.</p></section>",
        duration(report.elapsed_ms),
        many(report.threads as u64, "thread"),
        memory.unwrap_or_default()
    );
}

const fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Input => "Reading files",
        Stage::Normalise => "Reading numbers",
        Stage::Consent => "Asking who may be used",
        Stage::Key => "Hashing under the secret",
        Stage::Join => "Joining both sides",
        Stage::Privacy => "Floors and noise",
        Stage::Output => "Writing",
        Stage::Audit => "Checking what was written",
        Stage::Report => "Counting",
    }
}

/// Every file by itself.
fn files(html: &mut String, report: &Report) {
    html.push_str(
        "<section id=\"files\"><h2>Files</h2><div class=\"wide\"><table><thead><tr><th>File\
         <th class=\"n\">Rows<th class=\"n\">Released<th class=\"n\">Withheld\
         <th class=\"n\">Unmatched<th class=\"n\">Duplicates<th class=\"n\">Barred\
         <th class=\"n\">Rejected",
    );
    let shown = if report.sample.is_some() { 7 } else { 6 };
    html.push_str(if report.sample.is_some() { "<th class=\"n\">Not sampled" } else { "" });
    html.push_str("</tr></thead><tbody>");
    for (role, title) in ROLES {
        for input in of_role(report, role) {
            let _ = write!(
                html,
                "<tr><th scope=\"row\" title=\"{}\">{} <small>{title}</small><td class=\"n\">{}",
                Escaped(&input.file),
                Escaped(file_name(&input.file)),
                grouped(input.rows_read),
            );
            for fate in &flow::fates(&[input])[..shown] {
                let _ = write!(html, "<td class=\"n\">{}", grouped(fate.rows));
            }
            html.push_str("</tr>");
        }
    }
    html.push_str("</tbody></table></div></section>\n");
}
