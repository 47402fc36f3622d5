//! What is on the screen, and what keys do to it. Knows no terminal: glances and keys in, wishes out.

use clap::ValueEnum;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;

use super::trend::Trend;
use crate::ctl::args::Measure;
use crate::ctl::pulse::pulse;
use crate::ctl::show::plain;

/// Longest text to filter by, in characters.
const FILTER: usize = 40;
/// Rows that a page key goes.
const PAGE: usize = 10;

/// What somebody wants that the screen alone cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    /// Other clients matter most.
    Rank(Measure),
    /// This one shall go.
    Kick(u64),
}

/// What keys mean now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Look,
    /// The filter is being written.
    Filter,
    /// Is it meant that this one shall go?
    Confirm { id: u64, who: String },
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct App {
    pub(super) mode: Mode,
    pub(super) sort: Measure,
    pub(super) filter: String,
    pub(super) has_colours: bool,
    pub(super) is_frozen: bool,
    /// What became of the last order.
    pub(super) said: String,
    /// Null before the first glance.
    pub(super) glance: Value,
    pub(super) pulse: Value,
    pub(super) messages: Trend,
    pub(super) deliveries: Trend,
    pub(super) bytes: Trend,
    pub(super) latency: Trend,
    /// The id of the chosen client: it stays chosen when the order changes.
    chosen: Option<u64>,
}

impl App {
    pub(super) fn new(sort: Measure, has_colours: bool) -> Self {
        Self {
            mode: Mode::default(),
            sort,
            filter: String::new(),
            has_colours,
            is_frozen: false,
            said: String::new(),
            glance: Value::Null,
            pulse: Value::Null,
            messages: Trend::default(),
            deliveries: Trend::default(),
            bytes: Trend::default(),
            latency: Trend::default(),
            chosen: None,
        }
    }

    /// What became of an order.
    pub(super) fn say(&mut self, said: String) {
        self.said = said;
    }

    /// A new glance. A frozen screen lets it pass.
    pub(super) fn see(&mut self, glance: Value) {
        if self.is_frozen {
            return;
        }
        if let Some(pulse) = pulse(&self.glance, &glance) {
            self.messages.add(&pulse["committed_per_second"], 10.0);
            self.deliveries.add(&pulse["deliveries_per_second"], 10.0);
            self.bytes.add(&pulse["out_bytes_per_second"], 1.0);
            self.latency.add(&pulse["delivery_p99_seconds"], 1e6);
            self.pulse = pulse;
        }
        self.glance = glance;
    }

    /// The clients that fit the filter, in the daemon's order.
    pub(super) fn rows(&self) -> Vec<&Value> {
        let wanted = self.filter.to_lowercase();
        let fits = |row: &&Value| {
            let fields = [
                "username", "addr", "rooms", "client", "state", "dialect", "id",
            ];
            wanted.is_empty()
                || fields
                    .iter()
                    .any(|name| plain(&row[*name]).to_lowercase().contains(&wanted))
        };
        let all = self.glance["clients"].as_array();
        all.into_iter().flatten().filter(fits).collect()
    }

    /// Which of the rows is chosen.
    pub(super) fn chosen_row(&self) -> Option<usize> {
        let id = self.chosen?;
        self.rows().iter().position(|row| row["id"] == id)
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        #[cfg(feature = "test-faults")]
        assert!(
            !(key.code == KeyCode::Char('!') && crate::sabotage::is_on("top_panics")),
            "sabotaged"
        );
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Wish::Quit);
        }
        self.said.clear();
        match std::mem::take(&mut self.mode) {
            Mode::Look => self.key_of_look(key.code),
            Mode::Filter => self.key_of_filter(key.code),
            Mode::Confirm { id, .. } => {
                let is_meant = matches!(key.code, KeyCode::Char('y' | 'Y'));
                is_meant.then_some(Wish::Kick(id))
            }
        }
    }

    fn key_of_look(&mut self, code: KeyCode) -> Option<Wish> {
        match code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Esc if self.filter.is_empty() => return Some(Wish::Quit),
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char(' ') => self.is_frozen = !self.is_frozen,
            KeyCode::Char('s') => return Some(self.rank(1)),
            KeyCode::Char('S') => return Some(self.rank(Measure::value_variants().len() - 1)),
            KeyCode::Down => self.choose(|at| at + 1),
            KeyCode::Up => self.choose(|at| at.saturating_sub(1)),
            KeyCode::PageDown => self.choose(|at| at + PAGE),
            KeyCode::PageUp => self.choose(|at| at.saturating_sub(PAGE)),
            KeyCode::Home => self.choose(|_| 0),
            KeyCode::End => self.choose(|_| usize::MAX),
            KeyCode::Char('k') => self.ask_to_kick(),
            _ => {}
        }
        None
    }

    fn key_of_filter(&mut self, code: KeyCode) -> Option<Wish> {
        self.mode = Mode::Filter;
        match code {
            KeyCode::Enter => self.mode = Mode::Look,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Look;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < FILTER => self.filter.push(c),
            _ => {}
        }
        None
    }

    fn rank(&mut self, steps: usize) -> Wish {
        let all = Measure::value_variants();
        let at = all.iter().position(|one| *one == self.sort).unwrap_or(0);
        self.sort = all[(at + steps) % all.len()];
        Wish::Rank(self.sort)
    }

    fn choose(&mut self, go: impl Fn(usize) -> usize) {
        let rows = self.rows();
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let at = match self.chosen_row() {
            Some(at) => go(at).min(last),
            None => 0,
        };
        self.chosen = rows[at]["id"].as_u64();
    }

    fn ask_to_kick(&mut self) {
        let chosen = self.chosen_row().map(|at| self.rows()[at].clone());
        let Some(row) = chosen else {
            self.said = "choose a client with the arrows first".to_owned();
            return;
        };
        if let Some(id) = row["id"].as_u64() {
            let who = plain(&row["username"]);
            self.mode = Mode::Confirm { id, who };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app() -> App {
        let mut app = App::new(Measure::InRate, false);
        app.see(json!({"interval_seconds": 0.0, "clients": [
            {"id": 7, "username": "alice", "rooms": ["den"]},
            {"id": 8, "username": "bob", "rooms": []},
        ]}));
        app
    }

    fn press(app: &mut App, keys: &str) -> Option<Wish> {
        let press = |c| app.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        keys.chars().filter_map(press).last()
    }

    fn hit(app: &mut App, code: KeyCode) -> Option<Wish> {
        app.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn a_kick_is_confirmed_and_nothing_but_yes_is_a_yes() {
        let mut app = app();
        assert_eq!(press(&mut app, "k"), None);
        assert!(app.said.contains("choose"), "nobody is chosen");
        hit(&mut app, KeyCode::Down);
        hit(&mut app, KeyCode::Down);
        assert_eq!(app.chosen_row(), Some(1));
        assert_eq!(press(&mut app, "kn"), None);
        assert_eq!(press(&mut app, "ky"), Some(Wish::Kick(8)));
        assert_eq!(app.mode, Mode::Look);
    }

    #[test]
    fn who_is_chosen_stays_chosen_when_the_order_changes() {
        let mut app = app();
        hit(&mut app, KeyCode::Down);
        app.see(json!({"clients": [{"id": 9}, {"id": 7, "username": "alice"}]}));
        assert_eq!(app.chosen_row(), Some(1));
        app.see(json!({"clients": [{"id": 9}]}));
        assert_eq!(app.chosen_row(), None);
    }

    #[test]
    fn a_filter_is_written_and_taken_back() {
        let mut app = app();
        assert_eq!(press(&mut app, "/DEq"), None, "q is a letter here");
        assert_eq!(app.rows().len(), 0);
        hit(&mut app, KeyCode::Backspace);
        assert_eq!(app.rows()[0]["id"], 7);
        hit(&mut app, KeyCode::Enter);
        assert_eq!(hit(&mut app, KeyCode::Esc), None);
        assert_eq!(app.rows().len(), 2);
        assert_eq!(hit(&mut app, KeyCode::Esc), Some(Wish::Quit));
    }

    #[test]
    fn measures_go_round_and_a_frozen_screen_stays() {
        let mut app = app();
        assert_eq!(press(&mut app, "s"), Some(Wish::Rank(Measure::OutRate)));
        assert_eq!(press(&mut app, "SS"), Some(Wish::Rank(Measure::OutMsgs)));
        press(&mut app, " ");
        app.see(json!({"clients": []}));
        assert_eq!(app.rows().len(), 2);
    }
}
