//! A build without stores.

use crate::support::Scene;

#[test]
fn a_build_without_stores_says_which_build_has_them() {
    let scene = Scene::small();
    scene.edit("job.toml", "[\"accounts.csv\"]", "[\"s3://exports/accounts.csv\"]");
    let outcome = scene.run(&[]).must_end_with(78);
    let said = "s3://exports/accounts.csv (accounts): this build has no object stores";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--features object-store"), "{}", outcome.stderr);
    assert!(scene.made().is_empty(), "{:?}", scene.made());
}
