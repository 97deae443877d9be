//! Reads a systemd unit as far as the shipped one goes: what it does not know ends the test.

/// The settings of a unit in their order.
#[derive(Debug)]
pub struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    /// Lines that end in a backslash go on in the next one, with a blank for both (systemd.syntax(7)).
    pub fn of(text: &str) -> Self {
        let whole = text.replace("\\\n", " ");
        let lines = whole.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
        let setting = |line: &str| {
            let (name, value) =
                line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
            (name.to_owned(), value.to_owned())
        };
        Self { settings: lines.map(setting).collect() }
    }

    /// A setting that stands there once.
    #[track_caller]
    pub fn one(&self, name: &str) -> &str {
        let mut values = self.settings.iter().filter(|(known, _)| known == name);
        let value = values.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(values.next().is_none(), "{name} stands there twice");
        &value.1
    }

    /// Exit codes that a setting lists.
    pub fn codes(&self, name: &str) -> Vec<i32> {
        self.one(name).split(' ').map(|code| code.parse().unwrap()).collect()
    }

    /// Names of credentials and the files that they are from (`LoadCredential=`).
    pub fn credentials(&self) -> Vec<(&str, &str)> {
        let loaded = self.settings.iter().filter(|(name, _)| name == "LoadCredential");
        loaded.map(|(_, value)| value.split_once(':').expect("a name and a file")).collect()
    }

    /// The words of `ExecStart=` (systemd.service(5), "Command lines"): quotes hold a word together,
    /// `%%` is a percent sign and `$$` a dollar. Specifiers, variables and escapes are not known.
    pub fn command(&self) -> Vec<String> {
        let line = self.one("ExecStart");
        let mut words = vec![String::new()];
        let (mut quote, mut chars) = (None, line.chars().peekable());
        while let Some(c) = chars.next() {
            let word = words.last_mut().unwrap();
            match c {
                '%' | '$' => {
                    assert_eq!(chars.next(), Some(c), "a specifier or variable: {line}");
                    word.push(c);
                }
                '\\' => panic!("an escape: {line}"),
                c if quote == Some(c) => quote = None,
                '\'' | '"' if quote.is_none() && word.is_empty() => quote = Some(c),
                ' ' if quote.is_none() => words.push(String::new()),
                c => word.push(c),
            }
        }
        assert!(quote.is_none(), "the quote stays open: {line}");
        words.retain(|word| !word.is_empty());
        words
    }
}
