//! `chatctl top`: the daemon and its clients, live. Full-screen on a terminal, one glance as text
//! elsewhere.
//!
//! - The screen only shows what the daemon pushes; a thread reads it, so that keys are never late.
//! - Whatever ends it (a key, TERM, INT, a panic, a daemon that is gone), the terminal is as before.
//! - State is told by a glyph and a word as well as by a colour.

mod app;
mod draw;
mod glances;
mod plain;
mod trend;
mod tty;

use std::io::IsTerminal;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use serde_json::json;

use app::{App, Wish};
use glances::{Glances, Seen};
use tty::Tty;

use super::args::{At, Top};
use super::desk::Desk;
use super::link::Link;
use super::render::Look;
use super::trouble::Trouble;
use crate::places::Surroundings;

/// How long a key may have to wait for a glance, and the other way round.
const TICK: Duration = Duration::from_millis(50);

/// Shows it until somebody has enough.
pub(super) fn top(mut desk: Desk<'_>, at: &At, order: &Top) -> Result<(), Trouble> {
    let on_terminal = desk.look == Look::Table && std::io::stdout().is_terminal();
    if !on_terminal {
        return plain::glance(&mut desk, order);
    }
    let mut glances = Glances::open(desk.link, order)?;
    let has_colours =
        !order.no_color && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let mut app = App::new(order.sort, has_colours);
    let mut tty = Tty::enter()?;
    loop {
        tty.draw(|frame| draw::draw(frame, &mut app))?;
        let wish = next(&mut app, &mut glances, &tty)?;
        match wish {
            None => {}
            Some(Wish::Quit) => return Ok(()),
            Some(Wish::Rank(sort)) => {
                let order = Top {
                    sort,
                    ..order.clone()
                };
                glances = Glances::open(link(at)?, &order)?;
            }
            Some(Wish::Kick(id)) => app.say(kick(at, id)),
        }
    }
}

/// Waits for a key or a glance.
fn next(app: &mut App, glances: &mut Glances, tty: &Tty) -> Result<Option<Wish>, Trouble> {
    loop {
        if let Some(signal) = tty.signal() {
            return Err(Trouble::Signal(signal));
        }
        match glances.next()? {
            Seen::Glance(glance) => {
                app.see(*glance);
                return Ok(None);
            }
            Seen::Nothing => {}
        }
        let ready = event::poll(TICK).map_err(|error| tty::broken(&error))?;
        if !ready {
            continue;
        }
        match event::read().map_err(|error| tty::broken(&error))? {
            Event::Key(key) => return Ok(app.key(key)),
            Event::Resize(..) => return Ok(None),
            _ => {}
        }
    }
}

/// An idle connection may have been closed meanwhile: each order has one of its own.
fn link(at: &At) -> Result<Link, Trouble> {
    Link::open(at, &Surroundings::of_process())
}

fn kick(at: &At, id: u64) -> String {
    let doing = format!("kick {id}");
    let params = json!({"filter": {"id": id}});
    match link(at).and_then(|mut link| link.call("clients.kick", params, &doing)) {
        Ok(_) => format!("kicked {id}"),
        Err(trouble) => trouble.to_string(),
    }
}
