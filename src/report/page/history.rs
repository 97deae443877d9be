//! The last runs, one small drawing a figure, each with a scale of its own.

use std::fmt::Write;

use super::words::{Escaped, duration, grouped, moment, share};
use crate::report::{PastRun, Report};

const WIDTH: f64 = 340.0;
const BARS_HEIGHT: f64 = 84.0;
/// Room above the bars for the largest figure.
const HEAD: f64 = 18.0;
/// Room below for the first and the last name.
const FOOT: f64 = 20.0;
/// The widest bar: two runs are no two walls.
const WIDEST: f64 = 28.0;
/// Letters of a name below a bar; the rest is said when the pointer rests on it.
const MOST_LETTERS: usize = 16;

/// One figure of every run.
struct Figure {
    title: &'static str,
    class: &'static str,
    of: fn(&PastRun) -> u64,
    text: fn(u64) -> String,
}

const FIGURES: [Figure; 3] = [
    Figure { title: "People released", class: "released", of: |run| run.released, text: grouped },
    Figure { title: "Rows of the export", class: "all", of: |run| run.account_rows, text: grouped },
    Figure { title: "Time taken", class: "time", of: |run| run.elapsed_ms, text: duration },
];

/// The section; a sentence where no run came before.
pub(super) fn section(report: &Report) -> String {
    let mut html = String::from("<section id=\"history\"><h2>The last runs</h2>");
    if report.sample.is_some() {
        html.push_str("<p>A sample follows no run, and none follows it.</p></section>");
        return html;
    }
    if report.history.is_empty() {
        html.push_str("<p>This run follows none: the next one will show both here.</p></section>");
        return html;
    }
    let mut runs = report.history.clone();
    runs.push(PastRun::from(report));
    let _ = write!(
        html,
        "<p>{} runs, oldest on the left; this one is the last.</p><div class=\"charts\">",
        runs.len()
    );
    for figure in FIGURES {
        html.push_str(&drawing(&figure, &runs));
    }
    html.push_str("</div>");
    html.push_str(&table(&runs));
    html.push_str("</section>");
    html
}

fn drawing(figure: &Figure, runs: &[PastRun]) -> String {
    let most = runs.iter().map(figure.of).max().unwrap_or(0);
    let step = (WIDTH / runs.len() as f64).min(WIDEST * 1.5);
    let bar = (step * 0.72).min(WIDEST);
    let height = HEAD + BARS_HEIGHT + FOOT;
    let last = runs.last().map_or(0, figure.of);
    let mut svg = format!(
        "<figure><figcaption>{}<b>{}</b></figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{} of {} runs, at most {}, last {}\">\
         <text class=\"n\" x=\"0\" y=\"12\">most: {}</text>",
        figure.title,
        (figure.text)(last),
        figure.title,
        runs.len(),
        (figure.text)(most),
        (figure.text)(last),
        (figure.text)(most),
    );
    for (at, run) in runs.iter().enumerate() {
        let count = (figure.of)(run);
        let tall = if count == 0 { 0.0 } else { (share(count, most) * BARS_HEIGHT).max(1.0) };
        let x = at as f64 * step;
        let now = if at + 1 == runs.len() { " now" } else { "" };
        let _ = write!(
            svg,
            "<rect class=\"f-{}{now}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" \
             height=\"{tall:.1}\" rx=\"1.5\"><title>{}: {}</title></rect>",
            figure.class,
            HEAD + BARS_HEIGHT - tall,
            Escaped(&run.run),
            (figure.text)(count),
        );
    }
    let floor = HEAD + BARS_HEIGHT + 0.5;
    let end = step * (runs.len() - 1) as f64 + bar;
    let _ = write!(
        svg,
        "<path class=\"floor\" d=\"M0 {floor}H{WIDTH}\"/><text class=\"n\" x=\"0\" y=\"{y}\">{}\
         </text>",
        Escaped(&shortened(&runs[0].run)),
        y = height - 4.0,
    );
    // Two names need room for two.
    if end > WIDTH * 0.6 {
        let _ = write!(
            svg,
            "<text class=\"n end\" x=\"{end:.1}\" y=\"{}\">{}</text>",
            height - 4.0,
            Escaped(&shortened(&runs[runs.len() - 1].run)),
        );
    }
    svg.push_str("</svg></figure>");
    svg
}

fn shortened(name: &str) -> String {
    match name.chars().count() > MOST_LETTERS {
        true => name.chars().take(MOST_LETTERS - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

fn table(runs: &[PastRun]) -> String {
    let mut html = String::from(
        "<details><summary>Every run in figures</summary><div class=\"wide\"><table><thead><tr>\
         <th>Run<th>Started<th class=\"n\">Export<th class=\"n\">Lists<th class=\"n\">Opt-outs\
         <th class=\"n\">Released<th class=\"n\">Time</tr></thead><tbody>",
    );
    for run in runs.iter().rev() {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{}</tr>",
            Escaped(&run.run),
            moment(&run.started_at),
            grouped(run.account_rows),
            grouped(run.list_rows),
            grouped(run.opt_out_rows),
            grouped(run.released),
            duration(run.elapsed_ms),
        );
    }
    html.push_str("</tbody></table></div></details>");
    html
}
