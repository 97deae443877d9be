//! Which column is which, and what is said when that is not clear.

use phonematch::input::{ErrorKind, Field, InputError, Location, Need, Role, Source};

use crate::input::support::{mapped, phone_and_country, read_stream, row, source, stream, want};

fn list(wants: Vec<phonematch::input::Want>) -> Source {
    source(Location::Stdin, wants)
}

#[test]
fn every_synonym_is_found_in_csv_and_ndjson() {
    for field in Field::ALL {
        for synonym in field.synonyms() {
            let source = list(vec![want(field, Need::Required)]);
            let spoken = synonym.to_uppercase().replace('_', " ");
            for name in [synonym, spoken.as_str()] {
                let csv = format!("x,\" {name} \"\n1,value\n");
                let (rows, _) = read_stream(&source, csv.into_bytes()).unwrap();
                assert_eq!(rows, [row(&["value"])], "{name}");
                let json = format!("{{\"x\":1,\"{name}\":\"value\"}}\n");
                let (rows, _) = read_stream(&source, json.into_bytes()).unwrap();
                assert_eq!(rows, [row(&["value"])], "{name}");
            }
        }
    }
}

#[test]
fn a_missing_column_is_named_with_what_was_looked_for_and_found() {
    let error = stream(b"id,name,fax 2025550123\n1,x,y\n").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, InputError::MissingColumn { field: Field::Phone, .. }), "{text}");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(text.contains("msisdn") && text.contains("id, name and 1 more"), "{text}");
    assert!(!text.contains("555"), "{text}");
    let error = stream(b"{\"name\":\"+12025550123\"}\n").unwrap_err().to_string();
    assert!(error.contains("name") && !error.contains("555"), "{error}");
}

#[test]
fn a_file_without_a_header_is_told_so() {
    let hash = "0f".repeat(32);
    for text in ["+12025550123,US\n+12025550124,US\n", "07700 900123\n", &hash] {
        let error = stream(text.as_bytes()).unwrap_err();
        assert!(matches!(error, InputError::NoHeader { .. }), "{error}");
        assert!(!error.to_string().contains("555"));
    }
}

#[test]
fn one_of_phone_and_hash_is_enough() {
    let both = || vec![want(Field::Phone, Need::OneOf), want(Field::PhoneSha256, Need::OneOf)];
    let read = |text: &str| read_stream(&list(both()), text.into());
    assert_eq!(read("sha256\nabc\n").unwrap().0, [row(&["", "abc"])]);
    assert_eq!(read("tel\nabc\n").unwrap().0, [row(&["abc", ""])]);
    assert_eq!(read("tel,sha256\na,b\n").unwrap().0, [row(&["a", "b"])]);
    assert!(matches!(read("name\nabc\n"), Err(InputError::MissingOneOf { .. })));
}

#[test]
fn a_mapped_name_is_the_only_one_that_counts() {
    let source = list(vec![mapped(Field::Phone, "Raw Number")]);
    let (rows, _) = read_stream(&source, b"phone,raw_number\na,b\n".to_vec()).unwrap();
    assert_eq!(rows, [row(&["b"])]);
    let mut wants = phone_and_country();
    wants[1].mapped = Some("land".to_owned());
    let error = read_stream(&list(wants), b"phone,country\na,b\n".to_vec()).unwrap_err();
    assert!(matches!(error, InputError::MissingColumn { field: Field::Country, .. }), "{error}");
}

#[test]
fn consent_is_never_guessed() {
    let source = list(vec![want(Field::Consent, Need::Required)]);
    let error = read_stream(&source, b"consent,consent_ads\n1,1\n".to_vec()).unwrap_err();
    assert!(matches!(error, InputError::MissingColumn { field: Field::Consent, .. }), "{error}");
    let source = list(vec![mapped(Field::Consent, "consent_ads")]);
    let (rows, _) = read_stream(&source, b"consent,consent_ads\n1,0\n".to_vec()).unwrap();
    assert_eq!(rows, [row(&["0"])]);
}

#[test]
fn a_second_column_that_could_be_the_phone_is_an_error() {
    for text in [
        "phone,mobile\na,b\n",
        "phone,Phone\na,b\n",
        "{\"phone\":\"a\",\"mobile\":\"b\"}\n",
        "{\"phone\":\"a\"}\n{\"mobile\":\"b\"}\n",
    ] {
        let error = stream(text.as_bytes()).unwrap_err();
        assert!(matches!(error, InputError::DuplicateColumn { field: Field::Phone, .. }), "{text}");
        assert!(error.to_string().contains("mobile") || text.contains("Phone"), "{error}");
    }
    let (rows, _) = stream(b"phone,region,country,other,other\na,CA,US,1,2\n").unwrap();
    assert_eq!(rows, [row(&["a", "US"])]);
    let (rows, _) = stream(b"{\"phone\":\"a\",\"region\":\"CA\",\"country\":\"US\"}\n").unwrap();
    assert_eq!(rows, [row(&["a", "US"])]);
}

#[test]
fn a_column_of_ndjson_may_come_late_but_not_change_its_name() {
    let mut source = list(phone_and_country());
    source.limits.batch_rows = 2;
    let mut text = "{\"phone\":\"a\"}\n".repeat(3);
    text += "{\"phone\":\"b\",\"region\":\"US\"}\n";
    let (rows, _) = read_stream(&source, text.clone().into_bytes()).unwrap();
    assert_eq!(rows[3], row(&["b", "US"]));
    text += "{\"phone\":\"b\",\"country\":\"GB\"}\n";
    let error = read_stream(&source, text.into_bytes()).unwrap_err();
    assert!(matches!(error, InputError::DuplicateColumn { field: Field::Country, .. }), "{error}");
}

#[test]
fn an_error_names_role_and_input() {
    let mut source = list(phone_and_country());
    source.role = Role::OptOuts;
    let error = read_stream(&source, b"name\nx\n".to_vec()).unwrap_err().to_string();
    assert!(error.contains("standard input (opt-outs)"), "{error}");
}

#[test]
fn a_reader_may_move_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<phonematch::input::BatchReader>();
    assert_send::<phonematch::input::Batch>();
}
