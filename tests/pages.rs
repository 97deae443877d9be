//! What people read in `report.html`, and advertisers in the pages of their own. What it looks like
//! is checked in a browser, by `tests/browser/check.py`.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Scene, json_file, pages};

/// The text of a page, without its style sheet and its tags.
fn text(html: &str) -> String {
    let (before, rest) = html.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let mut text = String::new();
    let mut is_tag = false;
    for letter in before.chars().chain(after.chars()) {
        match letter {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                text.push(' ');
            }
            letter if !is_tag => text.push(letter),
            _ => {}
        }
    }
    text
}

/// The figures in a text, however they are grouped.
fn figures(text: &str) -> BTreeSet<u64> {
    let joined = text.replace('\u{202f}', "");
    joined.split(|letter: char| !letter.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect()
}

/// Opens what it needs by itself: no script, no address, nothing that a browser would fetch or run.
#[track_caller]
fn must_be_self_contained(html: &str) {
    let lower = html.to_ascii_lowercase();
    for part in ["<script", "http:", "https:", "src=", "url(", "@import", "javascript:", " onload"]
    {
        assert!(!lower.contains(part), "the page holds {part}");
    }
    assert!(lower.contains("content-security-policy\" content=\"default-src 'none';"));
    assert!(lower.starts_with("<!doctype html>") && lower.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_report_s_page_shows_every_figure_of_the_report() {
    let scene = Scene::made_up(3000, 900, 5);
    scene.publish(&["--quiet"]);
    let html = scene.read("run/report.html");
    must_be_self_contained(&html);
    let shown = figures(&text(&html));
    let report = scene.report("run");
    let mut looked_at = 0;
    let mut must_show = |figure: &serde_json::Value| {
        looked_at += 1;
        assert!(shown.contains(&figure.as_u64().unwrap()), "{figure} is not shown");
    };
    for input in report["inputs"].as_array().unwrap() {
        for field in
            ["rows_read", "released", "withheld", "unmatched", "duplicates", "barred", "rejected"]
        {
            must_show(&input[field]);
        }
        for reasons in ["rejected_by", "barred_by"] {
            input[reasons].as_object().unwrap().values().for_each(&mut must_show);
        }
    }
    for list in report["lists"].as_array().unwrap() {
        ["numbers", "matched", "released"].iter().for_each(|field| must_show(&list[*field]));
    }
    for country in report["countries"].as_array().unwrap() {
        ["numbers", "matched"].iter().for_each(|field| must_show(&country[*field]));
    }
    assert!(looked_at > 30, "{looked_at}");
    for stage in report["stages"].as_object().unwrap().keys() {
        let words = [("input", "Reading files"), ("privacy", "Floors and noise")];
        if let Some((_, words)) = words.iter().find(|(name, _)| name == stage) {
            assert!(html.contains(words), "{stage}");
        }
    }
}

/// The floor for a cell of attributes holds for countries too, and the rows add up to the lists.
#[test]
fn no_country_shows_few_people_and_none_is_lost() {
    for (accounts, list) in [(3000, 900), (3000, 200), (40, 40)] {
        let scene = Scene::made_up(accounts, list, 5);
        scene.publish(&["--quiet"]);
        let report = scene.report("run");
        let rows = report["countries"].as_array().unwrap();
        let sum = |rows: &[serde_json::Value], field: &str| -> u64 {
            rows.iter().map(|row| row[field].as_u64().unwrap()).sum()
        };
        for field in ["numbers", "matched"] {
            let lists = report["lists"].as_array().unwrap();
            assert_eq!(sum(rows, field), sum(lists, field), "{field}");
        }
        for row in rows.iter().filter(|_| rows.len() > 1) {
            assert!(row["matched"].as_u64().unwrap() >= 50, "{row}");
            assert!(row["matched"].as_u64() <= row["numbers"].as_u64(), "{row}");
        }
        assert_eq!(rows.len() > 1, list == 900, "{rows:?}");
        assert_eq!(rows.last().unwrap()["country"], "others");
    }
}

#[test]
fn numbers_of_a_hashed_list_have_no_country_until_they_match() {
    let scene = Scene::small();
    let digest = |digits| {
        use crate::support::keys::{Form, digest};
        hex::encode(digest(digits, Form::E164))
    };
    let rows = ["12025550101", "442079460004", "442079460099"].map(digest).join("\n");
    scene.write("hashed.csv", format!("phone_sha256\n{rows}\n"));
    scene.edit(
        "job.toml",
        "[opt_outs]",
        "[[lists]]\nfiles = [\"hashed.csv\"]\nphones = \"e164\"\n\n[opt_outs]",
    );
    scene.publish(&["--quiet"]);
    let expected = serde_json::json!([
        { "country": "hashed", "numbers": 3, "matched": 2 },
        { "country": "GB", "numbers": 2, "matched": 1 },
        { "country": "US", "numbers": 2, "matched": 1 },
    ]);
    assert_eq!(scene.report("run")["countries"], expected);
    let text = text(&scene.read("run/report.html"));
    assert!(text.contains("United Kingdom") && text.contains("country unknown"), "{text}");
}

#[test]
fn a_file_s_name_is_no_markup() {
    let scene = Scene::small();
    let name = "<img src=x onerror=alert(1)>&\"'.csv";
    fs::rename(scene.at("accounts.csv"), scene.at(name)).unwrap();
    scene.publish(&["--quiet", "--accounts", name]);
    let html = scene.read("run/report.html");
    must_be_self_contained(&html.replace("&lt;img src=x onerror=alert(1)&gt;", ""));
    assert!(!html.contains("<img"));
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;.csv"));
}

#[test]
fn each_run_remembers_the_ones_before_it() {
    let scene = Scene::small();
    let nights: Vec<_> = (1..=4).map(|night| format!("2026-11-0{night}")).collect();
    for night in &nights {
        let out = format!("runs/{night}");
        scene.publish(&["--quiet", "--out", &out]);
        scene.append("accounts.csv", "9,+442079460009,GB,granted,iOS 16,phone\n");
    }
    let last = scene.report("runs/2026-11-04");
    let remembered: Vec<_> = last["history"].as_array().unwrap().iter().collect();
    assert_eq!(remembered.len(), 3);
    for (night, past) in nights.iter().zip(remembered) {
        let then = scene.report(&format!("runs/{night}"));
        assert_eq!(past["run"], night.as_str());
        for field in ["started_at", "elapsed_ms"] {
            assert_eq!(past[field], then[field], "{field}");
        }
        assert_eq!(past["released"], then["lists"][0]["released"]);
        let rows = |role: &str| {
            let inputs = then["inputs"].as_array().unwrap();
            inputs.iter().find(|input| input["role"] == role).unwrap()["rows_read"].clone()
        };
        assert_eq!(past["account_rows"], rows("accounts"));
        assert_eq!(past["opt_out_rows"], rows("opt_outs"));
    }
    let html = scene.read("runs/2026-11-04/report.html");
    for night in &nights {
        assert!(html.contains(&format!("<title>{night}: 2</title>")), "{night} is not drawn");
    }
    assert_eq!(html.matches("f-released now").count(), 1);
    let first = scene.read("runs/2026-11-01/report.html");
    assert!(first.contains("This run follows none"));
}

/// A run of a version that had no pages can be followed, and audited with what it has.
#[test]
fn a_run_without_a_page_is_still_a_run() {
    use phonematch::key::Secret;
    use phonematch::report::{SEAL_PLACE, seal, sealed};
    let scene = Scene::small();
    scene.publish(&["--quiet", "--out", "old"]);
    fs::remove_file(scene.at("old/report.html")).unwrap();
    scene.audit("old").must_end_with(65);
    let mut report = json_file(&scene.at("old/report.json"));
    for field in ["page", "history", "countries", "run"] {
        report.as_object_mut().unwrap().remove(field).unwrap();
    }
    report["seal"] = SEAL_PLACE.into();
    let secret = Secret::from_file_content(crate::support::SECRET_HEX.as_bytes()).unwrap();
    let open = serde_json::to_string_pretty(&report).unwrap();
    scene.write("old/report.json", sealed(&open, &seal(&open, &secret)));
    scene.audit("old").must_end_with(0);
    scene.publish(&["--quiet", "--out", "new"]);
    assert_eq!(scene.report("new")["history"].as_array().unwrap().len(), 1);
    // A page that no run wrote is one file too many.
    scene.write("old/report.html", "<p>");
    scene.audit("old").must_end_with(65);
}

#[test]
fn an_advertiser_s_page_tells_what_the_summary_tells_of_its_lists_and_no_more() {
    let scene = Scene::made_up(3000, 900, 5);
    let rows = scene.read("list.csv");
    scene.write("other.csv", rows.lines().take(700).collect::<Vec<_>>().join("\n") + "\n");
    scene.edit(
        "job.toml",
        "[opt_outs]",
        "[[lists]]\nfiles = [\"other.csv\"]\nrecipient = \"globex\"\nid = \"winter\"\n\n\
         [[lists]]\nfiles = [\"other.csv\"]\nid = \"tiny\"\n\n[opt_outs]",
    );
    scene.edit("job.toml", "id = \"list\"", "id = \"spring-sale\"");
    scene.publish(&["--quiet"]);
    assert_eq!(pages(&scene.at("run")), ["summary-globex.html", "summary-synth.html"]);
    let summary = json_file(&scene.at("run/summary.json"));
    for recipient in ["globex", "synth"] {
        let html = scene.read(&format!("run/summary-{recipient}.html"));
        must_be_self_contained(&html);
        let text = text(&html);
        let mut told = figures(env!("CARGO_PKG_VERSION"));
        for list in summary["lists"].as_array().unwrap() {
            let (owner, id) = (&list["recipient"], list["list_id"].as_str().unwrap());
            let is_own = *owner == recipient;
            assert_eq!(text.contains(&format!(" {id} ")), is_own, "{id}");
            assert_eq!(text.contains(&format!(" {} ", owner.as_str().unwrap())), is_own);
            let edges = ["audience_from", "audience_below"].map(|edge| list[edge].as_u64());
            told.extend(edges.into_iter().flatten().filter(|_| is_own));
        }
        assert_eq!(figures(&text), told);
    }
}
