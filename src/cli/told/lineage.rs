//! What was made of what? Run events as [OpenLineage] 2-0-2 defines them, one JSON object a line.
//!
//! A run is a START and one of COMPLETE, FAIL and ABORT (interrupted). Inputs are files, the output
//! is the run folder, both named as OpenLineage's naming conventions say of local files. Digests of
//! inputs stay in the manifest: catalogues are read by many, and a file of few numbers could be
//! found by its digest. The folder's version is its manifest's digest, with which an auditor finds
//! the run in the chain.
//!
//! [OpenLineage]: https://openlineage.io/spec/2-0-2/OpenLineage.json

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use phonematch::consent::Purpose;
use phonematch::input::Location;
use phonematch::output::{self, MANIFEST, Manifest, ManifestInput};
use phonematch::store::ObjectUrl;
use serde_json::{Map, Value, json};

use super::place;

/// Who says it. A name, for the program has no home that the name could lead to.
const PRODUCER: &str = concat!("urn:phonematch:", env!("CARGO_PKG_VERSION"));
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
/// Jobs are named by their own files: two of one name are one chain.
const NAMESPACE: &str = "phonematch";

/// What an event begins with: fields are written in the order of their names. A file that begins
/// otherwise is not added to.
pub const FIRST_WORDS: &[u8] = b"{\"eventTime\":";

/// One run of a job.
#[derive(Debug)]
pub struct Run<'a> {
    pub id: &'a str,
    pub job: &'a str,
    pub started_at: Timestamp,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub transition: Transition,
    pub at: Timestamp,
    /// Why, where it failed.
    pub failed: Option<String>,
    pub inputs: Vec<Dataset>,
    pub outputs: Vec<Dataset>,
}

/// The state that an event leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    Complete,
    Fail,
    Abort,
}

impl Transition {
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Fail => "FAIL",
            Self::Abort => "ABORT",
        }
    }
}

/// A UUID of version 7 (RFC 9562): time first, which sorts and which OpenLineage asks for. The rest
/// is random and not made from the job: a run that is started again is another one.
pub fn run_id(at: Timestamp) -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let time = u64::try_from(at.as_millisecond()).unwrap_or(0).to_be_bytes();
    bytes[..6].copy_from_slice(&time[2..]);
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Some(parts.join("-"))
}

/// The event of a run's start, as a line without its end.
pub fn start(run: &Run<'_>, inputs: &[Dataset]) -> String {
    let mut event = event(run, "START", run.started_at, Map::new());
    event["inputs"] = inputs.iter().map(Dataset::to_json).collect();
    event.to_string()
}

/// The event of a run's end.
pub fn end(run: &Run<'_>, ended: &Ended) -> String {
    let mut facets = Map::new();
    if let Some(message) = &ended.failed {
        let said = json!({ "message": message, "programmingLanguage": "Rust" });
        facets.insert("errorMessage".to_owned(), facet("1-0-1/ErrorMessageRunFacet", said));
    }
    let mut event = event(run, ended.transition.name(), ended.at, facets);
    event["inputs"] = ended.inputs.iter().map(Dataset::to_json).collect();
    event["outputs"] = ended.outputs.iter().map(Dataset::to_json).collect();
    event.to_string()
}

fn event(run: &Run<'_>, kind: &str, at: Timestamp, mut facets: Map<String, Value>) -> Value {
    let engine = json!({ "name": "phonematch", "version": env!("CARGO_PKG_VERSION") });
    facets.insert("processing_engine".to_owned(), facet("1-1-1/ProcessingEngineRunFacet", engine));
    let job_type =
        json!({ "processingType": "BATCH", "integration": "PHONEMATCH", "jobType": "JOB" });
    json!({
        "eventTime": at.to_string(),
        "eventType": kind,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": { "runId": run.id, "facets": facets },
        "job": {
            "namespace": NAMESPACE,
            "name": run.job,
            "facets": { "jobType": facet("2-0-3/JobTypeJobFacet", job_type) },
        },
        "inputs": [],
        "outputs": [],
    })
}

/// A facet with what every one has. `kind` is its version and its name.
fn facet(kind: &str, mut fields: Value) -> Value {
    let name = kind.rsplit('/').next().unwrap_or_default();
    fields["_producer"] = PRODUCER.into();
    fields["_schemaURL"] =
        format!("https://openlineage.io/spec/facets/{kind}.json#/$defs/{name}").into();
    fields
}

/// A file or folder, and what is said of it.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// `file`, or the store.
    namespace: String,
    name: String,
    facets: Map<String, Value>,
    /// `inputFacets` or `outputFacets`, and the one in it.
    statistics: Option<(&'static str, Value)>,
}

impl Dataset {
    /// A file by its path, of which nothing is known.
    pub fn of_path(path: &Path) -> Self {
        // A run that went to a store, and an input from one, are named by their addresses.
        if let Some(Ok(url)) = path.to_str().and_then(ObjectUrl::read) {
            return Self::of_object(&url);
        }
        let name = place(path).to_string_lossy().into_owned();
        let uri = file_uri(&name);
        Self::of_source("file".to_owned(), name, &uri)
    }

    /// An object in a store: the namespace is the store, as OpenLineage says of S3.
    fn of_object(url: &ObjectUrl) -> Self {
        Self::of_source(url.store(), url.key().to_owned(), &url.to_string())
    }

    fn of_source(namespace: String, name: String, uri: &str) -> Self {
        let source = json!({ "name": namespace, "uri": uri });
        let source = facet("1-0-1/DatasourceDatasetFacet", source);
        let facets = Map::from_iter([("dataSource".to_owned(), source)]);
        Self { namespace, name, facets, statistics: None }
    }

    /// An input before it is read; none of standard input, which has no name to be found by.
    pub fn of_location(location: &Location) -> Option<Self> {
        match location {
            Location::Object(url) => Some(Self::of_object(url)),
            file => file.path().map(Self::of_path),
        }
    }

    /// An input that was read.
    pub fn of_input(input: &ManifestInput) -> Option<Self> {
        if input.file == Location::Stdin.to_string() {
            return None;
        }
        let read = json!({ "rowCount": input.rows, "size": input.bytes, "fileCount": 1 });
        let read = facet("1-0-0/InputStatisticsInputDatasetFacet", read);
        let statistics = Some(("inputFacets", json!({ "inputStatistics": read })));
        Some(Self { statistics, ..Self::of_path(Path::new(&input.file)) })
    }

    /// A published run: its tables' columns, its manifest's digest, its size. Rows are those of the
    /// matches; none are told where a purpose has no matches.
    pub fn of_run(folder: &Path, manifest: &Manifest) -> Self {
        let mut run = Self::of_path(folder);
        let tables = manifest.files.keys().filter_map(|file| table(file, &manifest.purpose));
        let tables = json!({ "fields": tables.collect::<Vec<_>>() });
        let schema = facet("1-2-0/SchemaDatasetFacet", tables);
        run.facets.insert("schema".to_owned(), schema);
        if let Ok(text) = std::fs::read(folder.join(MANIFEST)) {
            let version = json!({ "datasetVersion": output::digest(&text) });
            let version = facet("1-0-1/DatasetVersionDatasetFacet", version);
            run.facets.insert("version".to_owned(), version);
        }
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let sizes: Vec<_> =
            files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).collect();
        let mut wrote = json!({ "size": sizes.iter().sum::<u64>(), "fileCount": sizes.len() });
        // Where people are counted there are no matches, and of what there is no one says how many.
        let purpose = Purpose::from_name(manifest.purpose.as_bytes());
        if purpose.is_some_and(Purpose::takes_lists) {
            wrote["rowCount"] = manifest.counts.matches.into();
        }
        let wrote = facet("1-0-2/OutputStatisticsOutputDatasetFacet", wrote);
        run.statistics = Some(("outputFacets", json!({ "outputStatistics": wrote })));
        run
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "namespace": self.namespace,
            "name": self.name,
            "facets": self.facets,
        });
        if let Some((place, statistics)) = &self.statistics {
            value[*place] = statistics.clone();
        }
        value
    }
}

/// A table of the run as a field with fields; none of what is no table.
fn table(file: &str, purpose: &str) -> Option<Value> {
    let schema = output::schema_of(file, purpose)?;
    let fields = schema
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": field.data_type().to_string() }));
    Some(json!({ "name": file, "type": "Struct", "fields": fields.collect::<Vec<_>>() }))
}

/// A path as a URI (RFC 8089): whatever is not unreserved there is percent-encoded.
fn file_uri(path: &str) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_version_7_and_holds_its_time() {
        let at = Timestamp::from_millisecond(0x0190_1234_5678).unwrap();
        let id = run_id(at).unwrap();
        assert!(id.starts_with("01901234-5678-7"), "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]) && id.len() == 36, "{id}");
        assert_ne!(Some(id), run_id(at));
    }

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(file_uri("/a b/ü%#?.csv"), "file:///a%20b/%C3%BC%25%23%3F.csv");
    }
}
