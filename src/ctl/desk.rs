//! Where an order is carried out: a connection to the daemon, and what is printed to.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use super::link::Link;
use super::render::{Column, Look, object, rows};
use super::trouble::Trouble;

/// What prints: an answer in the look that was asked for.
pub(super) struct Desk<'a> {
    pub(super) link: Link,
    pub(super) look: Look,
    pub(super) out: &'a mut dyn Write,
}

impl Desk<'_> {
    pub(super) fn call(
        &mut self,
        method: &str,
        params: Value,
        doing: &str,
    ) -> Result<Value, Trouble> {
        self.link.call(method, params, doing)
    }

    pub(super) fn print(&mut self, columns: &[Column], list: &[Value]) -> Result<(), Trouble> {
        rows(self.out, self.look, columns, list).map_err(|error| Trouble::of_printing(&error))
    }

    /// As [`Desk::call`], for what takes its time.
    pub(super) fn call_patiently(
        &mut self,
        method: &str,
        params: Value,
        doing: &str,
        patience: Duration,
    ) -> Result<Value, Trouble> {
        self.link.call_patiently(method, params, doing, patience)
    }

    pub(super) fn print_object(&mut self, value: &Value) -> Result<(), Trouble> {
        object(self.out, self.look, value).map_err(|error| Trouble::of_printing(&error))
    }

    pub(super) fn say(&mut self, sentence: &str) -> Result<(), Trouble> {
        writeln!(self.out, "{sentence}").map_err(|error| Trouble::of_printing(&error))
    }

    pub(super) fn is_for_people(&self) -> bool {
        matches!(self.look, Look::Table | Look::Tabs)
    }
}
