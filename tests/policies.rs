//! The ready policies under `fixtures/policies`, and what makes a file none.

use phonematch::consent::{AliasRules, Purpose};
use phonematch::policy::Policy;

/// The ready policies, by purpose.
fn ready(purpose: Purpose) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policies");
    std::fs::read_to_string(root.join(format!("{}.toml", purpose.name()))).unwrap()
}

fn read(text: &str) -> Result<Policy, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

#[test]
fn there_is_a_ready_policy_for_each_purpose() {
    for purpose in Purpose::ALL {
        let policy = read(&ready(purpose)).unwrap();
        assert_eq!(policy.purpose, purpose);
        assert_eq!(policy.aliases, AliasRules::ALL);
    }
}

#[test]
fn a_field_that_the_purpose_needs_has_no_default() {
    for purpose in Purpose::ALL {
        let text = ready(purpose);
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let is_field = line.split('#').next().unwrap().contains(" = ");
            if !is_field || line.contains("= [") && !line.contains(']') {
                continue;
            }
            let without = [&lines[..at], &lines[at + 1..]].concat().join("\n");
            assert!(read(&without).is_err(), "{} without {line}", purpose.name());
        }
    }
}

#[test]
fn a_section_of_another_purpose_is_refused() {
    let floors = "[floors]\nlist_numbers = 1\nmatched_people = 1\nattribute_cell = 1\n";
    let activity = "[activity]\nwithin_days = 3\n";
    for (purpose, more) in [
        (Purpose::AntiSpam, floors),
        (Purpose::FriendSuggestions, floors),
        (Purpose::BusinessMessaging, "[attributes]\nkeep = []\n"),
        (Purpose::Ads, activity),
    ] {
        let error = read(&(ready(purpose) + more)).unwrap_err();
        assert!(error.contains("has no"), "{error}");
    }
    let analytics = ready(Purpose::Analytics).replace("[floors]", "[floors]\nlist_numbers = 1");
    assert!(read(&analytics).unwrap_err().contains("has no list_numbers"));
}

#[test]
fn a_policy_that_contradicts_itself_is_refused() {
    for (purpose, from, to, why) in [
        (Purpose::Ads, "\"allowed\"", "\"not_asked\"", "asks nobody's consent"),
        (Purpose::AntiSpam, "\"not_asked\"", "\"barred\"", "asks nobody: say not_asked"),
        (Purpose::AntiSpam, "\"legitimate_interest\"", "\"consent\"", "nobody is asked"),
        (Purpose::Ads, "\"legitimate_interest\"", "\"consent\"", "silence is no consent"),
        (Purpose::Ads, "\"consent\", ", "", "the column consent"),
        (Purpose::Ads, "\"verified_at\"", "\"last_active\"", "to tell them"),
        (Purpose::Ads, "\"os\", \"device\"", "\"os\"", "device needs"),
        (Purpose::Ads, "\"region\", \"os\", ", "", "nothing without os"),
        (Purpose::FriendSuggestions, "\"owner_phone\", ", "", "owner_phone"),
        (Purpose::Ads, "\"advertiser_id\"", "\"owner_phone\"", "owner_phone"),
        (Purpose::FriendSuggestions, "most_contacts = 10000", "most_contacts = 0", "no contacts"),
        (Purpose::FriendSuggestions, "most_contacts = 10000", "", "needs most_contacts"),
        (
            Purpose::Ads,
            "most_list_numbers",
            "most_contacts = 9\nmost_list_numbers",
            "has no most_c",
        ),
        (Purpose::Analytics, "list = []", "list = [\"phone\"]", "reads no list"),
        (Purpose::Analytics, "\"last_active\"", "\"device\"", "last_active"),
        (Purpose::BusinessMessaging, "waves = 3 ", "waves = 0 ", "spread over no day"),
        (Purpose::BusinessMessaging, "id = \"globex\"", "id = \"acme\"", "twice"),
        (Purpose::BusinessMessaging, "tier = 250 ", "tier = 500 ", "a tier is"),
        (Purpose::BusinessMessaging, "    \"opted_in_at\",\n", "", "opted_in_at"),
        (Purpose::BusinessMessaging, "\"consent_at\", ", "", "consent_at, which columns do not"),
    ] {
        let text = ready(purpose);
        assert!(text.contains(from), "{} holds no {from}", purpose.name());
        let error = read(&text.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(why), "{from} to {to}: {error}");
    }
}
