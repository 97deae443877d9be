//! Holds run events against `OpenLineage` 2-0-2, by rules written down from the published schema
//! and its facets' (spec/OpenLineage.json and spec/facets): what is required is there, what is
//! there is of its type, and nothing is there that the schema does not name.

use serde_json::{Map, Value};

const FACETS: &str = "https://openlineage.io/spec/facets/";
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// What a field of a facet holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Integer,
    Uri,
    Fields,
}

use Holds::{Fields, Integer, Text, Uri};

/// A facet: where it stands and under which name, its version and definition, its fields. A field
/// that is required has an exclamation mark.
struct Rule {
    place: &'static str,
    name: &'static str,
    kind: &'static str,
    fields: &'static [(&'static str, Holds)],
}

const COUNTS: &[(&str, Holds)] =
    &[("rowCount", Integer), ("size", Integer), ("fileCount", Integer)];

const RULES: [Rule; 8] = [
    Rule {
        place: "run",
        name: "errorMessage",
        kind: "1-0-1/ErrorMessageRunFacet",
        fields: &[("message!", Text), ("programmingLanguage!", Text)],
    },
    Rule {
        place: "run",
        name: "processing_engine",
        kind: "1-1-1/ProcessingEngineRunFacet",
        fields: &[("version!", Text), ("name", Text)],
    },
    Rule {
        place: "job",
        name: "jobType",
        kind: "2-0-3/JobTypeJobFacet",
        fields: &[("processingType!", Text), ("integration!", Text), ("jobType", Text)],
    },
    Rule {
        place: "dataset",
        name: "dataSource",
        kind: "1-0-1/DatasourceDatasetFacet",
        fields: &[("name", Text), ("uri", Uri)],
    },
    Rule {
        place: "dataset",
        name: "schema",
        kind: "1-2-0/SchemaDatasetFacet",
        fields: &[("fields", Fields)],
    },
    Rule {
        place: "dataset",
        name: "version",
        kind: "1-0-1/DatasetVersionDatasetFacet",
        fields: &[("datasetVersion!", Text)],
    },
    Rule {
        place: "input",
        name: "inputStatistics",
        kind: "1-0-0/InputStatisticsInputDatasetFacet",
        fields: COUNTS,
    },
    Rule {
        place: "output",
        name: "outputStatistics",
        kind: "1-0-2/OutputStatisticsOutputDatasetFacet",
        fields: COUNTS,
    },
];

/// The events of a file, each held against the schema.
#[track_caller]
pub fn events(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let event = |line: &str| -> Value {
        let event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        check(&event);
        event
    };
    text.lines().map(event).collect()
}

/// The states of the events, in their order.
pub fn states(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["eventType"].as_str().unwrap()).collect()
}

#[track_caller]
fn check(event: &Value) {
    let names =
        ["eventTime", "eventType", "inputs", "job", "outputs", "producer", "run", "schemaURL"];
    let event = object(event, &names, names.len());
    let time = text(&event["eventTime"]);
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
    assert!(["START", "COMPLETE", "FAIL", "ABORT"].contains(&text(&event["eventType"])));
    assert_eq!(text(&event["schemaURL"]), EVENT);
    let producer = text(&event["producer"]);
    assert!(is_uri(producer), "{producer}");
    let run = object(&event["run"], &["runId", "facets"], 1);
    assert!(is_uuid(text(&run["runId"])), "{run:?}");
    facets("run", run.get("facets"), producer);
    let job = object(&event["job"], &["namespace", "name", "facets"], 2);
    assert!(!text(&job["namespace"]).is_empty() && !text(&job["name"]).is_empty());
    facets("job", job.get("facets"), producer);
    for (side, own, kind) in
        [("inputs", "inputFacets", "input"), ("outputs", "outputFacets", "output")]
    {
        for dataset in event[side].as_array().expect("datasets are an array") {
            let dataset = object(dataset, &["namespace", "name", "facets", own], 2);
            let (namespace, name) = (text(&dataset["namespace"]), text(&dataset["name"]));
            assert!(namespace == "file" && name.starts_with('/'), "{namespace} {name}");
            facets("dataset", dataset.get("facets"), producer);
            facets(kind, dataset.get(own), producer);
        }
    }
}

#[track_caller]
fn facets(place: &str, facets: Option<&Value>, producer: &str) {
    for (name, facet) in facets.into_iter().flat_map(|facets| facets.as_object().unwrap()) {
        let rule = RULES.iter().find(|rule| rule.place == place && rule.name == name);
        let Rule { kind, fields, .. } = rule.unwrap_or_else(|| panic!("no facet {name}"));
        let required = fields.iter().filter_map(|(name, _)| name.strip_suffix('!'));
        let mut names: Vec<_> = required.chain(["_producer", "_schemaURL"]).collect();
        let least = names.len();
        names.extend(fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('!')));
        let facet = object(facet, &names, least);
        assert_eq!(text(&facet["_producer"]), producer);
        let definition = kind.split('/').next_back().unwrap();
        assert_eq!(text(&facet["_schemaURL"]), format!("{FACETS}{kind}.json#/$defs/{definition}"));
        for (name, holds) in *fields {
            let Some(value) = facet.get(name.trim_end_matches('!')) else { continue };
            match holds {
                Text => assert!(!text(value).is_empty(), "{name}"),
                Integer => assert!(value.is_u64(), "{name}: {value}"),
                Uri => assert!(is_uri(text(value)), "{value}"),
                Fields => columns(value),
            }
        }
    }
}

#[track_caller]
fn columns(fields: &Value) {
    for field in fields.as_array().expect("fields are an array") {
        let field = object(field, &["name", "type", "fields"], 1);
        assert!(!text(&field["name"]).is_empty() && field.get("type").is_none_or(Value::is_string));
        field.get("fields").into_iter().for_each(columns);
    }
}

/// An object with no other names than these, and with the first `least` of them.
#[track_caller]
fn object<'a>(value: &'a Value, names: &[&str], least: usize) -> &'a Map<String, Value> {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for name in object.keys() {
        assert!(names.contains(&name.as_str()), "the schema knows no {name} in {value}");
    }
    for name in &names[..least] {
        assert!(object.contains_key(*name), "no {name} in {value}");
    }
    object
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A scheme, a colon, and nothing behind it that a URI may not hold (RFC 3986).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let takes =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    scheme.bytes().all(|byte| byte.is_ascii_lowercase())
        && !rest.is_empty()
        && rest.bytes().all(takes)
}

/// A UUID of version 7 in lower case (RFC 9562).
fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(|part| part.bytes().all(hex))
        && parts[2].starts_with('7')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}
