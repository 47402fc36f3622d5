//! What happens right now, for whoever listens: typed, filtered, and marked where something is missing.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use super::{Control, Refused};
use crate::feed::{Feed, Happening, Listener, Told};

/// Which events. Nothing said is all of them; what is said all has to fit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventQuery {
    /// Names, or their beginnings as in `client.*`; one of them has to fit.
    pub types: Vec<String>,
    /// The field `reason` is one of these.
    pub reasons: Vec<String>,
    /// The field `client` is this id.
    pub client: Option<u64>,
    /// At least as grave as this: `error warn info debug`.
    pub level: Option<String>,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

impl EventQuery {
    /// # Errors
    /// There is no such level, or a name has a star in its middle.
    fn check(&self) -> Result<(), Refused> {
        let is_level = |level: &String| LEVELS.contains(&level.as_str());
        if let Some(level) = self.level.as_ref().filter(|level| !is_level(level)) {
            let sentence = format!("{level:?} is not a level: say error, warn, info or debug");
            return Err(Refused::Invalid(sentence));
        }
        let odd = |name: &&String| name.strip_suffix('*').unwrap_or(name).contains('*');
        match self.types.iter().find(odd) {
            Some(name) => Err(Refused::Invalid(format!(
                "{name:?}: a star stands for the end of a name, as in client.*"
            ))),
            None => Ok(()),
        }
    }

    fn fits(&self, happening: &Happening) -> bool {
        let is_named = |name: &String| match name.strip_suffix('*') {
            Some(begin) => happening.event.starts_with(begin),
            None => happening.event == *name,
        };
        let place = |level: &str| LEVELS.iter().position(|word| *word == level);
        let field = |name: &str| happening.object.get(name);
        let reason = field("reason").and_then(Value::as_str);
        (self.types.is_empty() || self.types.iter().any(is_named))
            && (self.reasons.is_empty()
                || reason.is_some_and(|reason| self.reasons.iter().any(|word| word == reason)))
            && self
                .client
                .is_none_or(|id| field("client").is_some_and(|client| is_id(client, id)))
            && self
                .level
                .as_ref()
                .is_none_or(|level| place(happening.level) <= place(level))
    }
}

/// An id stands in the log as a number or as its digits.
fn is_id(value: &Value, id: u64) -> bool {
    value.as_u64() == Some(id) || value.as_str().and_then(|text| text.parse().ok()) == Some(id)
}

/// Somebody who is told of events until this is dropped.
#[derive(Debug)]
pub struct Events {
    query: EventQuery,
    listener: Listener,
    _place: OwnedSemaphorePermit,
}

impl Events {
    /// The line of the next event that fits, or of `{"lagged":n}`. None when the daemon ends.
    pub async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            let told = self.listener.next().await?;
            if let Some(line) = self.line(told) {
                return Some(line);
            }
        }
    }

    /// The same without waiting; none if nothing is there yet.
    pub fn ready(&mut self) -> Option<Arc<str>> {
        loop {
            let told = self.listener.ready()?;
            if let Some(line) = self.line(told) {
                return Some(line);
            }
        }
    }

    fn line(&self, told: Told) -> Option<Arc<str>> {
        match told {
            Told::Happened(happening, line) => self.query.fits(&happening).then_some(line),
            Told::Lagged(missed) => Some(format!("{}\n", json!({"lagged": missed})).into()),
        }
    }
}

impl Control {
    /// Listens to events from now on.
    ///
    /// # Errors
    /// The filter makes no sense, or too many listen already.
    pub fn events(&self, query: EventQuery) -> Result<Events, Refused> {
        query.check()?;
        Ok(Events {
            query,
            _place: self.reader()?,
            listener: self.feed().listen(),
        })
    }

    /// Where events go for those who listen.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.0.log.feed
    }

    /// A place among those who may listen to anything at once.
    pub(super) fn reader(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let full = |_: TryAcquireError| {
            Refused::State("as many listen to this daemon as may: end one of them first".to_owned())
        };
        self.0.readers.clone().try_acquire_owned().map_err(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::stage::Stage;

    fn happening(event: &str, level: &'static str, reason: &str, client: Value) -> Happening {
        let object = json!({"event": event, "reason": reason, "client": client});
        Happening {
            event: event.to_owned(),
            level,
            object: object.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_filter_fits_by_name_reason_client_and_level() {
        let kicked = happening("client.closed", "info", "kicked", json!("7"));
        let fits = |query: Value| {
            serde_json::from_value::<EventQuery>(query)
                .unwrap()
                .fits(&kicked)
        };
        for query in [
            json!({}),
            json!({"types": ["client.*"]}),
            json!({"types": ["config.*", "client.closed"], "reasons": ["kicked"]}),
            json!({"client": 7, "level": "info"}),
            json!({"level": "debug"}),
        ] {
            assert!(fits(query.clone()), "{query}");
        }
        for query in [
            json!({"types": ["client"]}),
            json!({"types": ["config.*"]}),
            json!({"reasons": ["banned"]}),
            json!({"client": 8}),
            json!({"level": "warn"}),
        ] {
            assert!(!fits(query.clone()), "{query}");
        }
    }

    #[test]
    fn what_makes_no_sense_and_one_too_many_are_refused() {
        let stage = Stage::new();
        let ask = |query: Value| stage.control.events(serde_json::from_value(query).unwrap());
        for query in [json!({"level": "loud"}), json!({"types": ["a*b"]})] {
            assert!(matches!(ask(query), Err(Refused::Invalid(_))));
        }
        let four: Vec<_> = (0..4).map(|_| ask(json!({})).unwrap()).collect();
        assert!(matches!(ask(json!({})), Err(Refused::State(_))));
        assert_eq!(stage.control.feed().listeners(), 4);
        drop(four);
        assert!(ask(json!({})).is_ok());
    }
}
