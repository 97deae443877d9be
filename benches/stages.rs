//! One group for each stage but `input` and `normalise`, which have files of their own, and one for
//! the job.
//!
//! `cargo bench` runs all; `cargo bench --bench stages -- join` one. Data are made by `synth` with
//! a fixed seed outside the timed part; numbers are random draws from numbering patterns.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use phonematch::audit;
use phonematch::consent::{
    AliasRules, BlankConsent, Consent, Permitted, Purpose, SuppressionReader, Suppressions, decide,
};
use phonematch::dates::Day;
use phonematch::input::{self, Field, Limits, Location, Need, Role, Source, Want};
use phonematch::job::Identifier;
use phonematch::join::{Attributes, Hit, LargeBooks, ListBuilder, ListIndex, ListName, Sought};
use phonematch::key::{Form, Keyer, Listed, MatchKey, RecipientKey, Secret, Spelled, Told};
use phonematch::normalise::{self, Checks, Hint, Reading};
use phonematch::output::{self, Match};
use phonematch::pipeline::{self, Threads, Watch};
use phonematch::policy::{NoiseRules, Policy};
use phonematch::privacy::{self, BudgetLedger, FigureRules, Gates, Measured, Sets, Sketched};
use phonematch::report::{self, Ledger, SEAL_PLACE};
use phonematch::synth::{self, World};

const ACCOUNTS: u64 = 100_000;
const LIST_ROWS: u64 = 50_000;

/// A synthetic world on disk, and what the stages before a stage make of it.
struct Scene {
    folder: tempfile::TempDir,
    secret: Secret,
    keyer: Keyer,
    readings: Vec<Reading>,
    listed: Vec<Reading>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let world = World {
            accounts: ACCOUNTS,
            list: LIST_ROWS,
            opt_outs: ACCOUNTS / 100,
            overlap: 0.5,
            messy: 0.5,
            junk: 0.02,
            denied: 0.05,
            countries: Vec::new(),
            seed: 42,
            night: 0,
        };
        synth::write(&world, folder.path()).expect("made-up files");
        let secret = Secret::from_file_content(&[42; 32]).expect("32 bytes");
        let keyer = Keyer::new(&secret);
        let readings = read(&folder.path().join("accounts.csv"), Role::Accounts);
        let listed = read(&folder.path().join("list.csv"), Role::List);
        Self { folder, secret, keyer, readings, listed }
    }

    fn permitted(&self, nobody: &Suppressions) -> Vec<Permitted> {
        let decide = |&reading: &Reading| {
            decide(reading, Consent::Granted, BlankConsent::Allowed, nobody).ok()
        };
        self.readings.iter().filter_map(decide).collect()
    }

    fn listed(&self) -> impl Iterator<Item = Listed> + '_ {
        self.listed.iter().map(|&reading| self.keyer.list_one(Told::Number(reading)))
    }

    fn policy(&self) -> Policy {
        let text = fs::read_to_string(self.folder.path().join("policy.toml")).expect("a policy");
        toml::from_str(&text).expect("a policy")
    }
}

fn source(path: &Path, role: Role) -> Source {
    let want = |field| Want { field, mapped: None, need: Need::Optional };
    let wants = vec![want(Field::Phone), want(Field::Country), want(Field::Os)];
    Source { role, location: Location::Path(path.to_owned()), wants, limits: Limits::STANDARD }
}

fn read(path: &Path, role: Role) -> Vec<Reading> {
    let mut reader = input::open(&source(path, role), Arc::default()).expect("a file");
    let mut readings = Vec::new();
    while let Some(batch) = reader.next_batch().expect("rows") {
        for row in 0..batch.len() {
            let country = normalise::Region::from_code(batch.cell(Field::Country, row));
            let hint = match role {
                Role::Accounts => Hint::International,
                Role::List | Role::OptOuts => country.map_or(Hint::None, Hint::Region),
            };
            readings.extend(normalise::read(batch.cell(Field::Phone, row), hint, Checks::Damage));
        }
    }
    readings
}

fn id(text: &[u8]) -> Identifier {
    Identifier::from_text(text).expect("an identifier")
}

fn list_name() -> ListName {
    ListName { recipient: id(b"acme"), list_id: id(b"spring") }
}

fn index(listed: &[Listed]) -> ListIndex {
    let mut builder = ListBuilder::default();
    builder.use_form(Form::E164);
    let list = builder.list(&list_name());
    for few in listed.chunks(1024) {
        builder.warm_up(few);
        for &one in few {
            builder.add(list, one, Some(0));
        }
    }
    builder.finish()
}

fn sought(reading: &Reading) -> Sought {
    Sought { digits: reading.number.expose_digits(), region: Some(reading.region) }
}

fn spelled(reading: &Reading) -> Spelled {
    Spelled { digits: reading.number.expose_digits(), form: Form::E164 }
}

fn keys(keyer: &Keyer, spelled: &[Spelled]) -> Vec<MatchKey> {
    let mut keys = Vec::new();
    keyer.keys(spelled, &mut keys);
    keys
}

/// An index in which every account has been looked up.
fn joined(scene: &Scene) -> ListIndex {
    let mut builder = ListBuilder::default();
    builder.use_form(Form::E164);
    let list = builder.list(&list_name());
    // The canaries' list, which `privacy` is told of and which never leaves.
    builder.list(&ListName { list_id: id(b"none"), recipient: id(b"none") });
    for listed in scene.listed() {
        builder.add(list, listed, Some(0));
    }
    let mut index = builder.finish();
    for permitted in scene.permitted(&Suppressions::new(AliasRules::ALL)) {
        let key = scene.keyer.key(permitted.number(), Form::E164);
        let attributes = Attributes::from_cells(b"Android 14", b"phone");
        if let slot @ Some(_) = index.find(key) {
            index.marks().record(&Hit::of(permitted, [slot, None], attributes), 0);
        }
    }
    index
}

fn stages(criterion: &mut Criterion) {
    let scene = Scene::new();
    bench_consent(criterion, &scene);
    bench_key(criterion, &scene);
    bench_join(criterion, &scene);
    bench_privacy_output_audit(criterion, &scene);
    bench_report(criterion, &scene);
    bench_job(criterion, &scene);
}

fn bench_consent(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("consent");
    let mut suppressions = Suppressions::new(AliasRules::ALL);
    let reader = SuppressionReader { purpose: Purpose::Ads, keyer: scene.keyer.clone() };
    for reading in scene.readings.iter().step_by(100) {
        let text = reading.number.expose_digits().to_string();
        suppressions.add(&reader.read(text.as_bytes(), b"", Hint::International));
    }
    group.throughput(Throughput::Elements(scene.readings.len() as u64));
    group.bench_function("decide", |bencher| {
        bencher.iter(|| {
            let decide = |&reading: &Reading| {
                let consent = Consent::from_cell(b"granted");
                decide(reading, consent, BlankConsent::Allowed, &suppressions).is_ok()
            };
            scene.readings.iter().filter(|reading| decide(reading)).count()
        });
    });
    group.finish();
}

fn bench_key(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("key");
    group.throughput(Throughput::Elements(scene.readings.len() as u64));
    let spelled: Vec<_> = scene.readings.iter().map(spelled).collect();
    group.bench_function("match_key", |bencher| bencher.iter(|| keys(&scene.keyer, &spelled)));
    group.bench_function("match_key_one_by_one", |bencher| {
        bencher.iter(|| {
            let key = |one: &Spelled| scene.keyer.key_of_digits(one.digits, one.form);
            spelled.iter().map(key).max()
        });
    });
    let accounts: Vec<_> = scene.readings.iter().map(sought).collect();
    group.bench_function("sha256_of_a_phone", |bencher| {
        let mut clues = Vec::new();
        bencher.iter(|| {
            clues.clear();
            let digits = accounts.iter().map(|sought| sought.digits);
            scene.keyer.digest_clues(digits, Form::E164, &mut clues);
            clues.len()
        });
    });
    let keys = keys(&scene.keyer, &spelled);
    let recipient = RecipientKey::new(&scene.secret, "acme");
    group.bench_function("token", |bencher| {
        let mut tokens = Vec::new();
        bencher.iter(|| {
            tokens.clear();
            recipient.tokens(&keys, &mut tokens);
            tokens.len()
        });
    });
    group.finish();
}

/// Random draws from the pattern of North American numbers.
fn drawn(count: usize, seed: u64) -> Vec<Reading> {
    const AREAS: [u64; 8] = [202, 212, 213, 310, 312, 415, 617, 702];
    let mut state = seed;
    let mut draw = move || {
        // Steele, Lea, Flood: SplitMix (2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ mixed >> 31
    };
    let number = || {
        let (area, rest) = (AREAS[(draw() >> 61) as usize], draw() % 8_000_000);
        let text = format!("+1{area}{}", 2_000_000 + rest);
        normalise::read(text.as_bytes(), Hint::None, Checks::Damage).ok()
    };
    std::iter::repeat_with(number).flatten().take(count).collect()
}

/// The build side and the probe, with lists as large as they get. One account in thirty is on the
/// list.
fn bench_join(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("join");
    group.sample_size(10);
    let strangers = drawn(1 << 20, 2);
    for (name, rows) in [("1M", 1_000_000), ("10M", 10_000_000)] {
        let numbers = drawn(rows, 1);
        let mut listed = Vec::new();
        let told: Vec<_> = numbers.iter().map(|&number| Told::Number(number)).collect();
        scene.keyer.list(&told, &mut listed);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("build_{name}"), |bencher| bencher.iter(|| index(&listed)));
        let built = index(&listed);
        assert!(built.bytes() <= 40 * rows, "{} bytes for {rows} list rows", built.bytes());
        drop(listed);
        // Strangers are drawn from as many numbers as the list, so some are on it by chance.
        let accounts: Vec<_> = strangers.iter().map(sought).collect();
        group.throughput(Throughput::Elements(accounts.len() as u64));
        group.bench_function(format!("probe_{name}"), |bencher| {
            let mut likely = Vec::new();
            bencher.iter(|| {
                likely.clear();
                for batch in accounts.chunks(8192) {
                    built.lookup().select(batch, &scene.keyer, &mut likely);
                }
                likely.len()
            });
        });
        let digits: Vec<_> = accounts.iter().map(|sought| sought.digits).collect();
        group.bench_function(format!("glance_{name}"), |bencher| {
            let mut may_hold = Vec::new();
            bencher.iter(|| {
                for batch in digits.chunks(8192) {
                    may_hold.clear();
                    may_hold.resize(batch.len(), false);
                    built.lookup().mark(batch, &scene.keyer, &mut may_hold);
                    black_box(&may_hold);
                }
            });
        });
        let hits: Vec<_> = numbers.iter().step_by(13).map(spelled).collect();
        let keys = keys(&scene.keyer, &hits);
        group.throughput(Throughput::Elements(keys.len() as u64));
        group.bench_function(format!("find_{name}"), |bencher| {
            let mut slots = Vec::new();
            bencher.iter(|| {
                slots.clear();
                built.lookup().find_all(&keys, &mut slots);
                slots.iter().flatten().count()
            });
        });
    }
    group.finish();
}

fn one_by_one<T>(tasks: Vec<output::Task<'_, T>>) -> Vec<T> {
    tasks.into_iter().map(|task| task()).collect()
}

fn bench_privacy_output_audit(criterion: &mut Criterion, scene: &Scene) {
    let policy = scene.policy();
    let index = joined(scene);
    let canaries = index.list_numbers().last().expect("two lists");
    let large_books = LargeBooks::default();
    let today = Day::today();
    let gates = Gates { policy: &policy, today, drawn: None, large_books: &large_books };
    let count = || {
        privacy::count(&index, canaries, &gates, |stretches, of| stretches.iter().map(of).collect())
    };
    let counted = count().lists;
    let exact = || counted.iter().map(|list| list.exact_figure(&policy.floors)).collect::<Vec<_>>();
    let release = privacy::release(&index, &policy, &counted, &exact());
    let people = release.people.len() as u64;

    let mut group = criterion.benchmark_group("privacy");
    group.throughput(Throughput::Elements(people));
    group.bench_function("release", |bencher| {
        bencher.iter(|| {
            let counted = count().lists;
            privacy::release(&index, &policy, &counted, &exact())
        });
    });
    group.bench_function("figure", |bencher| {
        let Some(NoiseRules::Added(noise)) = &policy.noise else { return };
        let Some(budget) = &policy.budget else { return };
        let (floors, today) = (&policy.floors, jiff::civil::date(2026, 11, 22));
        let rules = FigureRules { purpose: policy.purpose, floors, noise, budget, today };
        let path = scene.folder.path().join("bench.ledger");
        let name = list_name();
        bencher.iter(|| {
            let mut ledger = BudgetLedger::open(&path, &scene.secret).expect("a ledger");
            let slots = counted[0].slots().iter();
            let mut keys: Vec<_> = slots.map(|&slot| index.key(slot)).collect();
            let mut people = counted[0].people_keys(&index);
            let points = rules.points(&scene.secret, name.recipient.as_str());
            let sketched = Sketched::of(points, &keys, |keys, of| keys.iter().map(of).collect());
            keys.sort_unstable();
            people.sort_unstable();
            let sets = Sets { keys: &keys, people: &people };
            let measured = Measured::of(&name, sets, sketched, &scene.secret);
            measured.decide(&rules, &scene.secret, &mut ledger).expect("a budget")
        });
    });
    group.finish();

    let recipient = RecipientKey::new(&scene.secret, "acme");
    let mut rows: Vec<_> = release
        .people
        .iter()
        .map(|person| Match::of(person, (recipient.token(person.key(&index)), None), 0))
        .collect();
    rows.sort_unstable();
    let lists = [list_name()];
    let folder = scene.folder.path().join("output");
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join(output::MATCHES);
    let of = output::Origin::of_everybody("ads");
    let matches = output::Matches { lists: &lists, rows: &rows };
    let mut group = criterion.benchmark_group("output");
    group.throughput(Throughput::Elements(people));
    group.bench_function("matches", |bencher| {
        bencher.iter_batched(
            || drop(fs::remove_file(&path)),
            |()| output::matches(&path, of, matches, one_by_one).expect("a table"),
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let advert = output::Advert {
        list: list_name(),
        band: release.audiences.first().and_then(|audience| audience.figure.band),
    };
    output::summary(&folder.join(output::SUMMARY), of, &[advert], None).expect("a summary");
    let mut group = criterion.benchmark_group("audit");
    group.throughput(Throughput::Elements(people));
    group.bench_function("contents", |bencher| {
        bencher.iter(|| audit::contents(&folder, &policy.floors, &scene.secret, Some(&[])));
    });
    group.finish();
}

fn bench_report(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("report");
    group.throughput(Throughput::Elements(1));
    let ledgers: Vec<_> =
        (0..100).map(|at| Ledger::new(Role::List, format!("list-{at}.csv"))).collect();
    group.bench_function("a_hundred_inputs", |bencher| {
        bencher.iter(|| {
            let rows: Vec<_> = ledgers.iter().map(report::InputReport::from).collect();
            let text = output::to_json(&rows).expect("JSON");
            report::seal(&format!("{text}{SEAL_PLACE}"), &scene.secret)
        });
    });
    group.finish();
}

fn bench_job(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("job");
    group.throughput(Throughput::Elements(ACCOUNTS)).sample_size(10);
    for threads in [1, 2] {
        let pool = Threads::new(threads).expect("threads");
        group.bench_function(format!("{ACCOUNTS}_accounts_{threads}_threads"), |bencher| {
            bencher.iter(|| {
                let job = whole_job(scene);
                pool.run(|| pipeline::run(&job, &Watch::default()).expect("a published run"))
            });
        });
    }
    group.finish();
}

fn whole_job(scene: &Scene) -> phonematch::job::Job {
    use phonematch::job::{
        Ending, Files, Gates, IfExists, Job, ListSource, OptOutSource, Phones, Previous, Recipient,
        SeveralNumbers,
    };
    let file = |name: &str| Files {
        locations: vec![Location::Path(scene.folder.path().join(name))],
        ..Files::default()
    };
    let id = |text: &[u8]| Identifier::from_text(text);
    Job {
        name: id(b"bench").expect("an identifier"),
        purpose: Purpose::Ads,
        policy: scene.policy(),
        policy_digest: String::new(),
        secret: Secret::from_file_content(&[42; 32]).expect("32 bytes"),
        accounts: file("accounts.csv"),
        lists: vec![ListSource {
            files: file("list.csv"),
            recipient: Recipient::OfRows { otherwise: id(b"acme") },
            id: None,
            country: None,
            phones: Phones::Raw,
            several_numbers: SeveralNumbers::Reject,
        }],
        opt_outs: OptOutSource {
            patterns: vec!["opt_outs.csv".to_owned()],
            base: scene.folder.path().to_owned(),
            ..OptOutSource::default()
        },
        out: scene.folder.path().join("run"),
        publish_to: None,
        if_exists: IfExists::Replace,
        previous: Previous::None,
        ledger: scene.folder.path().join("phonematch.ledger"),
        gates: Gates::NONE,
        memory: None,
        sample: None,
        ending: Ending::Publish,
        history: scene.folder.path().join("phonematch.history"),
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
