//! Runs after runs: the chain that their manifests form, and what changed from one to the next.

use std::fs;

use crate::support::{Outcome, SECRET_HEX, Scene, copy_folder, finish, keys, phonematch, tables};

/// Three nights of a small job: somebody opts out before the third, and somebody joins the list
/// before the second.
fn three_nights() -> Scene {
    let scene = Scene::small();
    scene.publish(&["--quiet", "--out", "runs/n1"]);
    scene.append("list.csv", "020 7946 0005,GB,e\n");
    scene.publish(&["--quiet", "--out", "runs/n2"]);
    scene.append("opt_outs.csv", "+1 202 555 0101,,2026-11-20\n");
    scene.publish(&["--quiet", "--out", "runs/n3"]);
    scene
}

fn audit(scene: &Scene, arguments: &[&str]) -> Outcome {
    let opt_outs = ["--opt-outs", "opt_outs.csv", "--secret-file", "secret.key"];
    let mut command = phonematch();
    finish(command.current_dir(scene.path()).arg("audit").args(arguments).args(opt_outs))
}

fn diff(scene: &Scene, arguments: &[&str]) -> Outcome {
    finish(phonematch().current_dir(scene.path()).arg("diff").args(arguments))
}

/// The audit refuses, says why, and quotes no number.
fn audit_fails(scene: &Scene, arguments: &[&str], says: &str) {
    let outcome = audit(scene, arguments).must_end_with(65);
    assert!(outcome.stderr.contains(says), "{says}:\n{}", outcome.stderr);
    assert!(!outcome.stderr.contains("2025550"), "{}", outcome.stderr);
}

#[test]
fn a_chain_of_nights_passes_and_says_the_digest_to_keep() {
    let scene = three_nights();
    let all = audit(&scene, &["runs/n1", "runs/n2", "runs/n3", "--json"]).must_end_with(0).json();
    assert_eq!(all["runs"], 3);
    let walked = audit(&scene, &["runs/n3", "--chain", "--json"]).must_end_with(0).json();
    assert_eq!(walked["runs"], 3);
    assert_eq!(walked["digest"], all["digest"]);
    let manifest = fs::read(scene.at("runs/n3/manifest.json")).unwrap();
    assert_eq!(walked["digest"], blake3::hash(&manifest).to_hex().to_string());
    // A chain may be looked at from the middle, and up to the middle, but for today's opt-outs.
    audit(&scene, &["runs/n2", "runs/n3"]).must_end_with(0);
    audit_fails(&scene, &["runs/n1", "runs/n2"], "no barred person is in the matches: 1 barred");
}

#[test]
fn a_missing_night_is_named() {
    let scene = three_nights();
    audit_fails(&scene, &["runs/n1", "runs/n3"], "a run between n1 and n3 is missing");
    fs::rename(scene.at("runs/n2"), scene.at("elsewhere")).unwrap();
    audit_fails(&scene, &["runs/n3", "--chain"], "the run before n3 is missing, or was changed");
    // It may have another name, and be found all the same.
    fs::rename(scene.at("elsewhere"), scene.at("runs/another")).unwrap();
    audit(&scene, &["runs/n3", "--chain"]).must_end_with(0);
}

#[test]
fn nights_out_of_order_are_named() {
    let scene = three_nights();
    audit_fails(&scene, &["runs/n2", "runs/n1", "runs/n3"], "n3 follows n2, not n1: out of order");
    let swapped = audit(&scene, &["runs/n2", "runs/n1", "runs/n3"]);
    assert!(swapped.stderr.contains("n1 says that it follows no run"), "{}", swapped.stderr);
    assert!(swapped.stderr.contains("n2 is not before n1"), "{}", swapped.stderr);
    // Under each other's names they are still where their digests put them.
    fs::rename(scene.at("runs/n1"), scene.at("runs/n0")).unwrap();
    fs::rename(scene.at("runs/n2"), scene.at("runs/n1")).unwrap();
    fs::rename(scene.at("runs/n0"), scene.at("runs/n2")).unwrap();
    audit(&scene, &["runs/n3", "--chain"]).must_end_with(0);
}

#[test]
fn an_edited_night_is_named_by_the_next() {
    let scene = three_nights();
    scene.edit("runs/n2/manifest.json", "\"nightly\"", "\"nightlx\"");
    audit_fails(&scene, &["runs/n1", "runs/n2", "runs/n3"], "n2 was changed after n3 followed it");
    audit_fails(&scene, &["runs/n3", "--chain"], "beside it, changed: n2");
    scene.write("runs/n2/manifest.json", "{}");
    audit_fails(&scene, &["runs/n3", "--chain"], "beside it, changed: n2");
    let outcome = audit(&scene, &["runs/n1", "runs/n2", "runs/n3"]).must_end_with(65);
    assert!(outcome.stderr.contains("the manifest can be read"), "{}", outcome.stderr);
}

/// Made with the secret and sealed, so that it is a sound run by itself; but not the one.
#[test]
fn a_night_that_was_made_again_does_not_fit_the_chain() {
    let scene = three_nights();
    fs::remove_dir_all(scene.at("runs/n2")).unwrap();
    scene.publish(&["--quiet", "--out", "runs/n2", "--previous", "runs/n1"]);
    audit_fails(&scene, &["runs/n1", "runs/n2", "runs/n3"], "between n2 and n3 is missing");
    let outcome = audit(&scene, &["runs/n1", "runs/n2", "runs/n3"]);
    assert!(outcome.stderr.contains("n2 is not before n3"), "{}", outcome.stderr);
}

#[test]
fn a_chain_begins_anew_only_where_somebody_said_so() {
    let scene = three_nights();
    scene.publish(&["--quiet", "--out", "runs/n4", "--previous", "none"]);
    audit_fails(&scene, &["runs/n3", "runs/n4"], "n4 says that it follows no run");
    let alone = audit(&scene, &["runs/n4", "--chain", "--json"]).must_end_with(0).json();
    assert_eq!(alone["runs"], 1);
    audit(&scene, &["runs/n3", "runs/n4", "--chain"]).must_end_with(2);
}

#[test]
fn diff_says_in_counts_what_changed_and_names_nobody() {
    let scene = three_nights();
    let tokens = |run: &str| -> Vec<String> {
        let rows = tables::rows(&scene.at(run).join("matches.parquet"));
        rows.iter().map(|row| row["token"].clone()).collect()
    };
    let json = diff(&scene, &["runs/n1", "runs/n2", "--json"]).must_end_with(0).json();
    assert_eq!(json["kinship"], "follows");
    let list = &json["lists"][0];
    assert_eq!((&list["recipient"], &list["list_id"]), (&"acme".into(), &"spring".into()));
    assert_eq!([&list["kept"], &list["added"], &list["removed"]], [2, 1, 0]);
    assert_eq!([&list["people"]["before"], &list["people"]["after"]], [2, 3]);
    assert_eq!(json["made_under"].as_array().unwrap().len(), 0);

    let json = diff(&scene, &["runs/n2", "runs/n3", "--json"]).must_end_with(0).json();
    let list = &json["lists"][0];
    assert_eq!([&list["kept"], &list["added"], &list["removed"]], [2, 0, 1]);
    let change = |role: &str| {
        let inputs = json["inputs"].as_array().unwrap();
        inputs.iter().find(|input| input["role"] == role).unwrap()["change"].clone()
    };
    assert_eq!([change("accounts"), change("opt_outs")], ["same", "changed"]);
    let rows = json["rows"].as_array().unwrap();
    let opted_out = rows.iter().find(|row| row["reason"] == "opted_out").unwrap();
    assert_eq!(opted_out["rows"], serde_json::json!({ "before": 1, "after": 2 }));

    let text = diff(&scene, &["runs/n2", "runs/n3"]).must_end_with(0);
    assert!(text.stdout.contains("acme/spring") && text.stderr.is_empty(), "{text:?}");
    for token in tokens("runs/n2") {
        assert!(!text.stdout.contains(&token) && !json.to_string().contains(&token));
    }
    assert!(!text.stdout.contains("2025550") && !text.stdout.contains("207946"));
    let same = diff(&scene, &["runs/n2", "runs/n2", "--json"]).must_end_with(0).json();
    assert_eq!(same["rows"].as_array().unwrap().len(), 0);
    assert_eq!(same["lists"][0]["kept"], 3);
}

#[test]
fn diff_says_what_two_runs_were_made_under() {
    let scene = three_nights();
    scene.edit("policy.toml", "attribute_cell = 1", "attribute_cell = 2");
    scene.publish(&["--quiet", "--out", "runs/n4"]);
    let json = diff(&scene, &["runs/n3", "runs/n4", "--json"]).must_end_with(0).json();
    let facts: Vec<_> =
        json["made_under"].as_array().unwrap().iter().map(|it| &it["what"]).collect();
    assert_eq!(facts, ["policy digest", "floor of an attribute cell"]);
    // Under another secret the same people have other tokens: they are not compared.
    scene.write("secret.key", "11".repeat(32));
    scene.publish(&["--quiet", "--out", "runs/other"]);
    let json = diff(&scene, &["runs/n4", "runs/other", "--json"]).must_end_with(0).json();
    assert!(json["lists"][0]["kept"].is_null() && json["lists"][0]["people"]["after"] == 2);
    assert_eq!(json["made_under"][0]["what"], "key id");
}

#[test]
fn diff_refuses_what_is_no_run_or_was_changed() {
    let scene = three_nights();
    diff(&scene, &["runs/n1", "nowhere"]).must_end_with(66);
    copy_folder(&scene.at("runs/n1"), &scene.at("copy"));
    diff(&scene, &["runs/n1", "copy"]).must_end_with(0);
    fs::copy(scene.at("runs/n2/matches.parquet"), scene.at("copy/matches.parquet")).unwrap();
    let outcome = diff(&scene, &["runs/n1", "copy"]).must_end_with(65);
    assert!(outcome.stderr.contains("matches.parquet"), "{}", outcome.stderr);
}

/// Without the export nobody knows whose digest it is, so the other form of the number, in which a
/// list has it, cannot be looked for. The audit says so; the next run, which knows, bars it.
#[test]
fn an_audit_says_how_many_opt_outs_it_can_look_for_in_one_form_only() {
    let scene = Scene::small();
    scene.publish(&["--quiet", "--out", "runs/n1"]);
    let all = audit(&scene, &["runs/n1", "--json"]).must_end_with(0).json();
    assert_eq!(all["opt_out_digests"], 0);
    let digest = hex::encode(keys::digest("12025550101", keys::Form::Digits));
    scene.write("opt_outs.csv", format!("phone_sha256\n{digest}\n"));
    let outcome = audit(&scene, &["runs/n1"]).must_end_with(0);
    assert!(outcome.stdout.contains("\n1 opt-outs are digests"), "{}", outcome.stdout);
    scene.publish(&["--quiet", "--out", "runs/n2", "--previous", "none"]);
    let token = keys::token(SECRET_HEX, "acme", "12025550101", keys::Form::E164);
    let comes_out = |run: &str| {
        let rows = tables::rows(&scene.at(run).join("matches.parquet"));
        rows.iter().any(|row| row["token"] == token)
    };
    assert!(comes_out("runs/n1") && !comes_out("runs/n2"));
}
