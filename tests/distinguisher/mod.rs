//! An advertiser who wants to know of one person whether the messenger counts that person.
//!
//! The advertiser knows everything else: who of all others matches, the policy, the formulas, the
//! floors and the edges of the bands, and brings what lists it likes for thirty nights. All that
//! it sees is what stands in `summary.json` and `audiences.parquet`: a list's status and its band;
//! or that a night was refused. The best it can do with that is the likelihood ratio (Neyman and
//! Pearson 1933). It is done here, under very many secrets, on the very code that decides figures:
//!
//! - how well it does is what the formulas say, no better and no worse;
//! - that stays within what the ledger states of what it charged: √(ρ/2), see `formula`;
//! - thirty nights of the whole program tell what that code decided, and from the night on which the
//!   budget is spent nothing, with exit code 65.
//!
//! `cargo test` tries 1000 secrets. The long run is
//!
//! ```sh
//! PHONEMATCH_SECRETS=100000 cargo test --release --locked --test main distinguisher:: -- --nocapture
//! ```
//!
//! and prints a table; one of 20 000 secrets stands in `benches/runs`.

mod formula;
mod year;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use phonematch::consent::Purpose;
use phonematch::job::Identifier;
use phonematch::join::ListName;
use phonematch::key::{Form, Keyer, MatchKey, Secret};
use phonematch::policy::{AddedNoise, BudgetRules, NoiseRules, Policy};
use phonematch::privacy::{
    Basis, BudgetLedger, Exhausted, Figure, FigureRules, Measured, Sets, Sketched, Window,
};

use crate::support::people::{KINDS_WITHOUT_ALIAS, person};
use crate::support::{JOB, SECRET_HEX, Scene, json_file, tables};
use formula::{Masses, Told};

/// Secrets in `cargo test`.
const SECRETS: u64 = 1000;

const NIGHTS: usize = 30;

/// Standard errors that chance may add; twice in a million.
const CHANCE: f64 = 4.75;

/// The ready policy, with other words where a plan wants them.
fn policy(edits: &[(&str, &str)]) -> Policy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies/ads.toml");
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    toml::from_str(&text).unwrap()
}

fn rules(policy: &Policy, today: jiff::civil::Date) -> FigureRules<'_> {
    let (noise, budget) = noise_and_budget(policy);
    FigureRules { purpose: Purpose::Ads, floors: &policy.floors, noise, budget, today }
}

fn noise_and_budget(policy: &Policy) -> (&AddedNoise, &BudgetRules) {
    match (&policy.noise, &policy.budget) {
        (Some(NoiseRules::Added(noise)), Some(budget)) => (noise, budget),
        other => panic!("{other:?}"),
    }
}

fn name() -> ListName {
    let identifier = |text: &str| Identifier::from_text(text.as_bytes()).unwrap();
    ListName { recipient: identifier("acme"), list_id: identifier("spring") }
}

/// Decides a list of these members, of whom those match.
fn decide(
    rules: &FigureRules<'_>,
    secret: &Secret,
    ledger: &mut BudgetLedger,
    [list, matched]: [Vec<MatchKey>; 2],
) -> Result<Figure, Exhausted> {
    let name = name();
    let [keys, people] = [list, matched].map(|mut keys| {
        keys.sort_unstable();
        keys
    });
    let points = rules.points(secret, name.recipient.as_str());
    let sketched = Sketched::of(points, &keys, |keys, of| keys.iter().map(of).collect());
    let sets = Sets { keys: &keys, people: &people };
    Measured::of(&name, sets, sketched, secret).decide(rules, secret, ledger)
}

/// What an advertiser brings. Members are numbered: the one on trial is 0, then come accomplices,
/// who match, then strangers, who have no account.
#[derive(Clone, Copy)]
struct Plan {
    says: &'static str,
    edits: &'static [(&'static str, &'static str)],
    accomplices: usize,
    strangers: usize,
    /// Leave the list each night.
    accomplices_leave: usize,
    strangers_leave: usize,
    /// Nights on which the one on trial is on the list.
    on_trial: usize,
    /// Of so many secrets, one is tried.
    one_in: u64,
    figures: usize,
}

/// Each list is a figure of its own until the budget is spent.
const EACH_NIGHT: [(&str, &str); 1] = [("repeat_below = 50", "repeat_below = 1")];

/// 244 people are told as 250 or more when noise is above zero, and 245 when it is zero or above:
/// no count shows one person better.
const EDGE: Plan = Plan {
    says: "one number a night, at the edge of a band",
    edits: &[],
    accomplices: 244,
    strangers: 40,
    accomplices_leave: 0,
    strangers_leave: 1,
    on_trial: NIGHTS,
    one_in: 1,
    figures: 1,
};

/// To find out which lists are near takes the third power of fifty, each night.
const SLOW: u64 = 10;

const PLANS: [Plan; 7] = [
    Plan { one_in: SLOW, ..EDGE },
    Plan {
        says: "one accomplice a night",
        accomplices_leave: 1,
        strangers_leave: 0,
        one_in: SLOW,
        ..EDGE
    },
    Plan {
        says: "one number a night, each night a figure",
        edits: &EACH_NIGHT,
        figures: 20,
        ..EDGE
    },
    Plan {
        says: "one accomplice a night across the edge, each night a figure",
        edits: &EACH_NIGHT,
        accomplices: 254,
        accomplices_leave: 1,
        strangers_leave: 0,
        figures: 20,
        ..EDGE
    },
    Plan {
        says: "one number a night, where lists are withheld or not, each night a figure",
        edits: &EACH_NIGHT,
        accomplices: 164,
        figures: 20,
        ..EDGE
    },
    Plan {
        says: "the one on trial leaves on the eleventh night, each night a figure",
        edits: &EACH_NIGHT,
        on_trial: 10,
        figures: 20,
        ..EDGE
    },
    Plan {
        says: "fifty numbers a night, at the edge of a band",
        strangers: 50 * NIGHTS,
        strangers_leave: 50,
        one_in: SLOW,
        figures: 20,
        ..EDGE
    },
];

/// One night's list, as numbers of members.
struct Night {
    on_trial: bool,
    accomplices: Range<usize>,
    strangers: Range<usize>,
}

impl Plan {
    fn nights(&self) -> Vec<Night> {
        let last = self.accomplices + self.strangers + 1;
        let night = |night: usize| Night {
            on_trial: night < self.on_trial,
            accomplices: 1 + night * self.accomplices_leave..1 + self.accomplices,
            strangers: 1 + self.accomplices + night * self.strangers_leave..last,
        };
        (0..NIGHTS).map(night).collect()
    }

    /// What is told on a night in the world where the one on trial has no account, and in the other.
    fn worlds(&self, night: &Night, policy: &Policy, masses: &Masses) -> [BTreeMap<Told, f64>; 2] {
        let (noise, _) = noise_and_budget(policy);
        let told = |counted: bool| {
            let matched = night.accomplices.len() + usize::from(counted && night.on_trial);
            masses.told(matched as u64, noise, &policy.floors)
        };
        [told(false), told(true)]
    }
}

/// What the distinguisher said under one secret, and what the ledger then stated.
struct Verdict {
    counted: bool,
    /// Nights that were charged.
    charged: Vec<usize>,
    micro_rho: u64,
}

/// A plan with everything about it that does not depend on the secret.
struct Attack {
    plan: Plan,
    policy: Policy,
    nights: Vec<Night>,
    worlds: Vec<[BTreeMap<Told, f64>; 2]>,
}

impl Attack {
    fn new(plan: Plan) -> Self {
        let policy = policy(plan.edits);
        let masses = Masses::of(noise_and_budget(&policy).0.distribution);
        let nights = plan.nights();
        let worlds = nights.iter().map(|night| plan.worlds(night, &policy, &masses)).collect();
        Self { plan, policy, nights, worlds }
    }

    /// Thirty nights under one secret, in the world where the one on trial counts or in the other.
    fn verdict(&self, secret: &Secret, keys: &[MatchKey], counted: bool, folder: &Path) -> Verdict {
        let path = folder.join("ledger");
        let _ = std::fs::remove_file(&path);
        let mut ledger = BudgetLedger::open(&path, secret).unwrap();
        let rules = rules(&self.policy, "2026-11-22".parse().unwrap());
        let (mut sum, mut charged, mut refused) = (0.0, Vec::new(), false);
        for (at, night) in self.nights.iter().enumerate() {
            let mut matched = keys[night.accomplices.clone()].to_vec();
            let mut list = [&matched, &keys[night.strangers.clone()]].concat();
            list.extend(night.on_trial.then_some(keys[0]));
            matched.extend((night.on_trial && counted).then_some(keys[0]));
            match decide(&rules, secret, &mut ledger, [list, matched]) {
                Ok(Figure { band, basis: Basis::Charged(number) }) => {
                    assert_eq!(number as usize, charged.len() + 1);
                    assert!(!refused, "told again after a refusal");
                    sum += formula::evidence(&self.worlds[at], band.map(|band| band.from));
                    charged.push(at);
                }
                // It tells what was told before, and so speaks for nothing.
                Ok(Figure { basis, .. }) => assert_eq!(basis, Basis::Repeated(1)),
                Err(_) => refused = true,
            }
        }
        let (recipient, days) = ("acme", rules.budget.period_days);
        let window = Window { recipient, today: rules.today, days };
        Verdict { counted: sum > 0.0, charged, micro_rho: ledger.spent(&window) }
    }

    fn best(&self, charged: &[usize]) -> f64 {
        let nights: Vec<_> = charged.iter().map(|&night| self.worlds[night].clone()).collect();
        formula::best_on_what_is_told(&nights)
    }
}

fn secret(number: u64) -> Secret {
    let bytes = blake3::hash(&number.to_le_bytes());
    Secret::from_file_content(bytes.to_hex().as_bytes()).unwrap()
}

/// Of so many secrets, under how many the distinguisher said that the person counts.
struct Score {
    secrets: u64,
    /// Where the person does not, and where the person does.
    said_yes: [u64; 2],
    charged: Vec<usize>,
    micro_rho: u64,
}

impl Score {
    fn of(attack: &Attack, secrets: Range<u64>) -> Self {
        let members = 1 + attack.plan.accomplices + attack.plan.strangers;
        let folder = crate::support::folder_in_memory();
        let mut score = None::<Self>;
        for number in secrets {
            let secret = secret(number);
            let keyer = Keyer::new(&secret);
            let key = |member| keyer.key_of_digits(10_000 + member as u64, Form::E164);
            let keys: Vec<_> = (0..members).map(key).collect();
            for counted in [false, true] {
                let verdict = attack.verdict(&secret, &keys, counted, folder.path());
                let score = score.get_or_insert_with(|| Self {
                    secrets: 0,
                    said_yes: [0, 0],
                    charged: verdict.charged.clone(),
                    micro_rho: verdict.micro_rho,
                });
                // What is charged and refused tells of nobody either.
                assert_eq!(score.charged, verdict.charged, "secret {number}");
                assert_eq!(score.micro_rho, verdict.micro_rho);
                score.said_yes[usize::from(counted)] += u64::from(verdict.counted);
                score.secrets += u64::from(counted);
            }
        }
        score.unwrap()
    }

    fn add(mut self, other: Self) -> Self {
        assert_eq!((&self.charged, self.micro_rho), (&other.charged, other.micro_rho));
        self.secrets += other.secrets;
        self.said_yes.iter_mut().zip(other.said_yes).for_each(|(sum, more)| *sum += more);
        self
    }

    /// How much more often yes was said where it is true, and the standard error of that.
    fn advantage(&self) -> [f64; 2] {
        let all = self.secrets as f64;
        let [wrong, right] = self.said_yes.map(|count| count as f64 / all);
        let spread = |share: f64| share * (1.0 - share) / all;
        // A share of nothing or of all has a spread too: as if one had been otherwise.
        let error = (spread(wrong) + spread(right)).sqrt().max(1.0 / all);
        [right - wrong, error]
    }
}

fn score(attack: &Attack, secrets: u64) -> Score {
    let half = secrets / 2;
    let [one, other] = std::thread::scope(|scope| {
        [0..half, half..secrets]
            .map(|secrets| scope.spawn(|| Score::of(attack, secrets)))
            .map(|thread| thread.join().unwrap())
    });
    one.add(other)
}

fn secrets() -> u64 {
    std::env::var("PHONEMATCH_SECRETS").map_or(SECRETS, |text| text.parse().unwrap())
}

#[test]
fn the_best_distinguisher_of_thirty_nights_stays_within_what_the_ledger_states() {
    println!(
        "{:>9} {:>7} {:>8} {:>8} {:>16}  bound",
        "secrets", "figures", "rho", "formula", "found"
    );
    for plan in PLANS {
        let attack = Attack::new(plan);
        let score = score(&attack, secrets() / plan.one_in);
        let (noise, _) = noise_and_budget(&attack.policy);
        let charged: Vec<_> = (0..plan.figures).collect();
        assert_eq!(score.charged, charged, "{}", plan.says);
        assert_eq!(score.micro_rho, 5000 * plan.figures as u64);
        let bound = formula::ledgers_bound(score.micro_rho, plan.figures, noise);
        let best = attack.best(&charged);
        let [found, error] = score.advantage();
        println!(
            "{:>9} {:>7} {:>8.3} {best:>8.4} {found:>7.4} ± {error:.4}  {bound:.4}  {}",
            score.secrets,
            plan.figures,
            score.micro_rho as f64 / 1e6,
            plan.says
        );
        assert!(best <= bound, "{}: {best} is more than {bound}", plan.says);
        assert!((found - best).abs() <= CHANCE * error, "{}: {found}, not {best}", plan.says);
        assert!(found <= bound + CHANCE * error, "{}: {found}", plan.says);
    }
}

/// Were the noise less than the ledger's price says, the distinguisher would see it.
#[test]
fn the_distinguisher_sees_through_noise_that_is_smaller_than_it_was_paid_for() {
    let edits = &[
        ("repeat_below = 50", "repeat_below = 1"),
        ("spread = 10", "spread = 2"),
        ("micro_rho = 100000", "micro_rho = 2500000"),
    ];
    let attack = Attack::new(Plan { edits, ..PLANS[2] });
    let score = score(&attack, 200);
    assert_eq!(score.charged.len(), 20);
    let [found, error] = score.advantage();
    let best = attack.best(&score.charged);
    assert!((found - best).abs() <= CHANCE * error, "{found}, not {best}");
    let ready = policy(&[]);
    let (noise, budget) = noise_and_budget(&ready);
    let bound = formula::ledgers_bound(budget.micro_rho, 20, noise);
    assert!(found - CHANCE * error > bound, "{found} ± {error} does not show beside {bound}");
}

/// Two scenes whose only difference is whether the one on trial has an account.
fn scene(plan: &Plan, counted: bool) -> Scene {
    let scene = Scene::empty();
    let first = usize::from(!counted);
    let rows = (first..=plan.accomplices).map(|member| format!("+{},granted\n", digits(member)));
    scene.write("accounts.csv", format!("phone,consent_ads\n{}", rows.collect::<String>()));
    scene.write("opt_outs.csv", "phone\n+442079460999\n");
    scene.write("job.toml", JOB);
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies/ads.toml");
    std::fs::copy(policy, scene.at("policy.toml")).unwrap();
    for (from, to) in plan.edits {
        scene.edit("policy.toml", from, to);
    }
    scene
}

fn digits(member: usize) -> String {
    person(member % KINDS_WITHOUT_ALIAS, member / KINDS_WITHOUT_ALIAS).digits
}

/// What the advertiser can read of a night, which must be one thing in both files.
fn read_as_an_advertiser(run: &Path) -> Told {
    let summary = json_file(&run.join("summary.json"));
    let [list] = summary["lists"].as_array().unwrap().as_slice() else { panic!("{summary}") };
    let [row] = &tables::rows(&run.join("audiences.parquet"))[..] else { panic!("one list") };
    let from = list["audience_from"].as_u64();
    assert_eq!(list["status"], if from.is_some() { "released" } else { "withheld" });
    assert_eq!(list["status"].as_str().unwrap(), row["status"]);
    assert_eq!(from.map(|from| from.to_string()), row.get("audience_from").cloned());
    from
}

/// The distinguisher above is given what the code that decides figures gives. Here the whole program
/// runs for thirty nights, in both worlds, and its files say the same; the twenty-first night and
/// those after it are refused.
#[test]
fn thirty_nights_of_the_program_tell_what_was_decided_and_are_refused_when_the_budget_is_spent() {
    let plan = Plan { strangers: 30, ..PLANS[2] };
    let policy = policy(plan.edits);
    let secret = Secret::from_file_content(SECRET_HEX.as_bytes()).unwrap();
    let keyer = Keyer::new(&secret);
    let key = |member| keyer.key_of_digits(digits(member).parse().unwrap(), Form::E164);
    let rules = rules(&policy, jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date());
    for counted in [false, true] {
        let scene = scene(&plan, counted);
        let mut ledger = BudgetLedger::open(&scene.at("decided"), &secret).unwrap();
        for (at, night) in plan.nights().into_iter().enumerate() {
            let members = || {
                let others = night.accomplices.clone().chain(night.strangers.clone());
                night.on_trial.then_some(0).into_iter().chain(others)
            };
            let rows: String = members().map(|member| format!("+{}\n", digits(member))).collect();
            scene.write("list.csv", format!("phone\n{rows}"));
            let out = format!("runs/n{at:02}");
            let outcome = scene.run(&["--quiet", "--out", &out]);

            let is_matched =
                |member: &usize| night.accomplices.contains(member) || (*member == 0 && counted);
            let lists =
                [members().map(key).collect(), members().filter(is_matched).map(key).collect()];
            match decide(&rules, &secret, &mut ledger, lists) {
                Ok(figure) => {
                    outcome.must_end_with(0);
                    let told = read_as_an_advertiser(&scene.at(&out));
                    assert_eq!(told, figure.band.map(|band| band.from), "night {at}");
                }
                Err(_) => {
                    let outcome = outcome.must_end_with(65);
                    assert!(at >= 20 && !scene.at(&out).exists(), "night {at}");
                    assert!(outcome.stderr.contains("100000 of 100000 micro-rho"));
                }
            }
        }
        let published = std::fs::read_dir(scene.at("runs")).unwrap();
        let published = published.filter(|it| it.as_ref().unwrap().path().is_dir()).count();
        assert_eq!((published, ledger.book().charges().len()), (20, 20));
    }
}
