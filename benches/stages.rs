//! One group for each stage but `normalise`, which has a file of its own, and one for the job.
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
use phonematch::input::{self, Field, Limits, Location, Need, Role, Source, Want};
use phonematch::job::Identifier;
use phonematch::join::{Attributes, ListIndex, ListName};
use phonematch::key::{Form, Keyer, MatchKey, RecipientKey, Secret};
use phonematch::normalise::{self, Checks, Hint, Reading};
use phonematch::output::{self, Match};
use phonematch::pipeline::{self, Threads, Watch};
use phonematch::policy::Policy;
use phonematch::privacy;
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

    fn keys(&self, readings: &[Reading]) -> Vec<MatchKey> {
        readings.iter().map(|reading| self.keyer.key(reading.number, Form::E164)).collect()
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

fn list_name() -> ListName {
    let id = |text: &[u8]| Identifier::from_text(text).expect("an identifier");
    ListName { recipient: id(b"acme"), list_id: id(b"spring") }
}

fn index(keys: &[MatchKey]) -> ListIndex {
    let mut index = ListIndex::default();
    index.use_form(Form::E164);
    let list = index.list(&list_name());
    for &key in keys {
        index.add(list, key, Some(0));
    }
    index.finish_building();
    index
}

/// An index in which every account has been looked up.
fn joined(scene: &Scene) -> ListIndex {
    let mut index = index(&scene.keys(&scene.listed));
    for permitted in scene.permitted(&Suppressions::new(AliasRules::ALL)) {
        let key = scene.keyer.key(permitted.number(), Form::E164);
        let attributes = Attributes::from_cells(b"Android 14", b"phone");
        if let Some(hit) = index.probe(permitted, attributes, &[key]) {
            index.record(&hit, 0);
        }
    }
    index
}

fn stages(criterion: &mut Criterion) {
    let scene = Scene::new();
    bench_input(criterion, &scene);
    bench_consent(criterion, &scene);
    bench_key(criterion, &scene);
    bench_join(criterion, &scene);
    bench_privacy_output_audit(criterion, &scene);
    bench_report(criterion, &scene);
    bench_job(criterion, &scene);
}

fn bench_input(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("input");
    group.throughput(Throughput::Elements(ACCOUNTS));
    let path = scene.folder.path().join("accounts.csv");
    group.bench_function("csv", |bencher| {
        bencher.iter(|| {
            let opened = input::open(&source(&path, Role::Accounts), Arc::default());
            let mut reader = opened.expect("a file");
            while let Some(batch) = reader.next_batch().expect("rows") {
                black_box(batch);
            }
            reader.finish().expect("a whole file")
        });
    });
    group.finish();
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
    group.bench_function("match_key", |bencher| bencher.iter(|| scene.keys(&scene.readings)));
    let keys = scene.keys(&scene.readings);
    let recipient = RecipientKey::new(&scene.secret, "acme");
    group.bench_function("token", |bencher| {
        bencher.iter(|| keys.iter().map(|&key| recipient.token(key)).max());
    });
    group.finish();
}

fn bench_join(criterion: &mut Criterion, scene: &Scene) {
    let mut group = criterion.benchmark_group("join");
    let listed = scene.keys(&scene.listed);
    group.throughput(Throughput::Elements(listed.len() as u64));
    group.bench_function("build", |bencher| bencher.iter(|| index(&listed)));
    let built = index(&listed);
    let probes: Vec<_> = scene
        .permitted(&Suppressions::new(AliasRules::ALL))
        .into_iter()
        .map(|permitted| (permitted, scene.keyer.key(permitted.number(), Form::E164)))
        .collect();
    group.throughput(Throughput::Elements(probes.len() as u64));
    group.bench_function("probe", |bencher| {
        bencher.iter(|| {
            let attributes = Attributes::default();
            let hits =
                probes.iter().filter(|(who, key)| built.probe(*who, attributes, &[*key]).is_some());
            hits.count()
        });
    });
    group.finish();
}

fn bench_privacy_output_audit(criterion: &mut Criterion, scene: &Scene) {
    let policy = scene.policy();
    let mut index = joined(scene);
    let canaries = index.list(&ListName {
        recipient: Identifier::from_text(b"none").expect("an identifier"),
        list_id: Identifier::from_text(b"none").expect("an identifier"),
    });
    let release = privacy::release(&index, &policy, canaries);
    let people = release.people.len() as u64;

    let mut group = criterion.benchmark_group("privacy");
    group.throughput(Throughput::Elements(people));
    group.bench_function("release", |bencher| {
        bencher.iter(|| privacy::release(&index, &policy, canaries));
    });
    group.finish();

    let recipient = RecipientKey::new(&scene.secret, "acme");
    let mut rows: Vec<_> = release
        .people
        .iter()
        .map(|person| Match::of(person, recipient.token(person.key()), 0))
        .collect();
    rows.sort_unstable();
    let lists = [list_name()];
    let folder = scene.folder.path().join("output");
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join(output::MATCHES);
    let mut group = criterion.benchmark_group("output");
    group.throughput(Throughput::Elements(people));
    group.bench_function("matches", |bencher| {
        bencher.iter_batched(
            || drop(fs::remove_file(&path)),
            |()| output::matches(&path, "ads", &lists, &rows).expect("a table"),
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let advert = output::Advert {
        list: list_name(),
        band: release.audiences.first().and_then(|a| a.band()),
    };
    output::summary(&folder.join(output::SUMMARY), "ads", &[advert]).expect("a summary");
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
        Files, IfExists, Job, ListSource, OptOutSource, Phones, Previous, SeveralNumbers,
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
            recipient: id(b"acme"),
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
        if_exists: IfExists::Replace,
        previous: Previous::None,
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
