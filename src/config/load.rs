//! From sources to a configuration, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Config;
use super::fault::{Fault, Faults};
use super::file::{ConfigFile, DEFAULT_FILE, Document};
use super::key::{self, ENV_PREFIX, Key};
use super::origin::Origin;
use super::raw::{Raw, value_of};
use super::rule::RULES;

/// Where a configuration is taken from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file.
    pub file: ConfigFile,
    /// Environment variables; those whose names do not begin with `CHATD__` are passed over.
    pub env: Vec<(OsString, OsString)>,
    /// What stood behind each `--set`: `section.key=value`. The last one of a key holds.
    pub sets: Vec<String>,
}

impl Sources {
    /// The sources of this process: the file that the user named, else [`DEFAULT_FILE`] if it is
    /// there; the environment; the `--set` flags.
    pub fn of_process(file: Option<PathBuf>, sets: Vec<String>) -> Self {
        let file = file.map_or_else(
            || ConfigFile::IfThere(DEFAULT_FILE.into()),
            ConfigFile::Path,
        );
        Self {
            file,
            env: std::env::vars_os().collect(),
            sets,
        }
    }
}

/// A configuration, and where each value of it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
    /// Where the values came from that are not built-in defaults.
    pub(super) origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where the value of this key (`limits.line`) came from; for a file, the place of the key.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// The same with values that were set while the daemon runs: they win over everything else.
    ///
    /// # Errors
    /// Everything that is wrong with them, alone or together with the other values.
    pub fn with_runtime(&self, values: &[RuntimeValue]) -> Result<Self, Faults> {
        let given = |(key, origin): (&&'static str, &Origin)| {
            let given = Given {
                origin: origin.clone(),
                span: None,
            };
            (*key, given)
        };
        let mut loader = Loader {
            config: self.config.clone(),
            given: self.origins.iter().map(given).collect(),
            ..Loader::default()
        };
        for value in values {
            loader.take_assignment(
                &value.key,
                &value.value,
                Origin::Runtime(value.until.clone()),
            );
        }
        loader.check_rules();
        Ok(Self {
            file: self.file.clone(),
            ..loader.finish()?
        })
    }

    /// Whether somebody set this key, be it to its default.
    pub fn is_explicit(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }
}

/// A value that was set while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeValue {
    /// `section.key`.
    pub key: String,
    /// What would stand behind `--set section.key=`.
    pub value: String,
    /// Until when it holds, as it is shown; without it, as long as the daemon runs.
    pub until: Option<String>,
}

/// Built-in defaults and nothing else.
impl Default for Loaded {
    fn default() -> Self {
        Self {
            config: Config::default(),
            file: None,
            origins: BTreeMap::new(),
        }
    }
}

/// Takes the configuration from its sources.
///
/// # Errors
///
/// Everything that is wrong, at once; a file that cannot be read or is not TOML is reported alone.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let document = sources.file.read()?;
    let mut loader = Loader {
        document: document.as_ref(),
        ..Loader::default()
    };
    if let Some(document) = &document {
        loader.take_file(document)?;
    }
    for (variable, value) in &sources.env {
        loader.take_variable(variable, value);
    }
    for written in &sources.sets {
        loader.take_set(written);
    }
    loader.check_rules();
    loader.finish()
}

#[derive(Default)]
struct Loader<'a> {
    document: Option<&'a Document>,
    config: Config,
    given: BTreeMap<&'static str, Given>,
    /// Keys whose value could not be read: rules about them would only repeat it.
    spoilt: BTreeSet<&'static str>,
    faults: Faults,
}

/// The origin of a value that somebody gave.
struct Given {
    origin: Origin,
    /// For a file: the value itself.
    span: Option<Range<usize>>,
}

type Name<'a> = Spanned<DeString<'a>>;
type Typed<'a> = Spanned<DeValue<'a>>;

impl Loader<'_> {
    fn take_file(&mut self, document: &Document) -> Result<(), Faults> {
        let root = DeTable::parse(&document.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let message = format!("not TOML: {}", error.message());
            Faults::from(document.fault(None, &span, message))
        })?;
        for (name, value) in root.get_ref() {
            self.take_section(document, name, value);
        }
        Ok(())
    }

    fn take_section(&mut self, document: &Document, name: &Name<'_>, value: &Typed<'_>) {
        let section = name.get_ref().as_ref();
        let Some(table) = value.get_ref().as_table() else {
            return self.refuse_loose_key(document, name);
        };
        if !key::is_section(section) {
            return self.faults.add(|| {
                let meant = key::nearest_section(section).map(|near| format!("[{near}]"));
                document.fault(Some(section), &name.span(), unknown("section", meant))
            });
        }
        for (leaf, value) in table {
            let full = format!("{section}.{}", leaf.get_ref());
            match key::find(&full) {
                Some(key) => self.take_typed(document, key, leaf, value),
                None => self.faults.add(|| {
                    let near = key::nearest_key(section, leaf.get_ref());
                    let message = unknown("key", near.map(|key| format!("`{}`", key.name)));
                    document.fault(Some(&full), &leaf.span(), message)
                }),
            }
        }
    }

    /// Refuses what stands where only sections may stand.
    fn refuse_loose_key(&mut self, document: &Document, name: &Name<'_>) {
        let written = name.get_ref().as_ref();
        self.faults.add(|| {
            let message = if key::is_section(written) {
                format!("is a section; write [{written}] and its keys below")
            } else {
                let near = key::nearest_key("", written);
                unknown(
                    "key outside of a section",
                    near.map(|key| format!("`{}`", key.name)),
                )
            };
            document.fault(Some(written), &name.span(), message)
        });
    }

    fn take_typed(
        &mut self,
        document: &Document,
        key: &'static Key,
        name: &Name<'_>,
        value: &Typed<'_>,
    ) {
        match (key.read)(Raw::in_file(value), &mut self.config) {
            Ok(()) => {
                let origin = document.origin(name.span().start);
                self.given.insert(
                    key.name,
                    Given {
                        origin,
                        span: Some(value.span()),
                    },
                );
            }
            Err(misfit) => {
                self.spoilt.insert(key.name);
                self.faults
                    .add(|| document.fault(Some(key.name), &misfit.span, misfit.message));
            }
        }
    }

    fn take_variable(&mut self, variable: &OsStr, value: &OsStr) {
        let name = variable.to_string_lossy();
        let Some(path) = name.strip_prefix(ENV_PREFIX) else {
            return;
        };
        let origin = Origin::Env(name.to_string());
        let Some(value) = value.to_str() else {
            return self.refuse(origin, None, "is not UTF-8".to_owned());
        };
        match key::KEYS.iter().find(|key| key.variable() == name) {
            Some(key) => self.take_text(key, origin, value),
            None => {
                let lower = path.to_lowercase();
                let (section, leaf) = lower.split_once("__").unwrap_or(("", &lower));
                let near = key::nearest_key(section, leaf);
                let message = unknown("variable", near.map(|key| format!("`{}`", key.variable())));
                self.refuse(origin, None, message);
            }
        }
    }

    fn take_set(&mut self, written: &str) {
        let origin = Origin::Flag(written.to_owned());
        let Some((name, value)) = written.split_once('=') else {
            let message = "has no value; write SECTION.KEY=VALUE".to_owned();
            return self.refuse(origin, None, message);
        };
        self.take_assignment(name, value, origin);
    }

    fn take_assignment(&mut self, name: &str, value: &str, origin: Origin) {
        match key::find(name.trim()) {
            Some(key) => self.take_text(key, origin, value.trim()),
            None => {
                let (section, leaf) = name.trim().split_once('.').unwrap_or(("", name.trim()));
                let near = key::nearest_key(section, leaf);
                let message = unknown("key", near.map(|key| format!("`{}`", key.name)));
                self.refuse(origin, Some(name), message);
            }
        }
    }

    /// Takes a value from outside of the file.
    fn take_text(&mut self, key: &'static Key, origin: Origin, text: &str) {
        match (key.read)(Raw::outside(&value_of(text), text), &mut self.config) {
            Ok(()) => {
                self.given.insert(key.name, Given { origin, span: None });
            }
            Err(misfit) => {
                self.spoilt.insert(key.name);
                self.refuse(origin, Some(key.name), misfit.message);
            }
        }
    }

    fn refuse(&mut self, origin: Origin, key: Option<&str>, message: String) {
        let key = key.map(str::to_owned);
        self.faults.add(|| Fault {
            origin,
            key,
            message,
            excerpt: None,
        });
    }

    fn check_rules(&mut self) {
        for rule in RULES {
            if rule.keys.iter().any(|key| self.spoilt.contains(key)) {
                continue;
            }
            if let Err(message) = (rule.check)(&self.config) {
                let fault = self.broken_rule(rule.keys, message);
                self.faults.add(|| fault);
            }
        }
    }

    /// A rule is about several keys: the fault is put at the one that was set last, by precedence,
    /// because that is what the operator has just touched.
    fn broken_rule(&self, keys: &[&'static str], message: String) -> Fault {
        let given = keys
            .iter()
            .rev()
            .filter_map(|key| Some((*key, self.given.get(key)?)));
        let last = given.max_by_key(|(_, given)| given.origin.precedence());
        let key = last.as_ref().map(|(key, _)| *key).or(keys.first().copied());
        if let (
            Some(document),
            Some((
                _,
                Given {
                    span: Some(span), ..
                },
            )),
        ) = (self.document, &last)
        {
            return document.fault(key, span, message);
        }
        let origin = last.map_or(Origin::Default, |(_, given)| given.origin.clone());
        Fault {
            origin,
            key: key.map(str::to_owned),
            message,
            excerpt: None,
        }
    }

    fn finish(mut self) -> Result<Loaded, Faults> {
        if !self.faults.is_empty() {
            self.faults.sort();
            return Err(self.faults);
        }
        let origins = self
            .given
            .into_iter()
            .map(|(key, given)| (key, given.origin))
            .collect();
        let file = self.document.map(Document::path).map(Path::to_owned);
        Ok(Loaded {
            config: self.config,
            file,
            origins,
        })
    }
}

fn unknown(what: &str, meant: Option<String>) -> String {
    match meant {
        Some(meant) => format!("unknown {what}; did you mean {meant}?"),
        None => format!("unknown {what}"),
    }
}
