//! The screen: a line about the daemon, four trends, clients, and what keys do.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Cell, HighlightSpacing, Paragraph, RenderDirection, Row, Sparkline, Table, TableState,
};
use serde_json::Value;

use super::app::{App, Mode};
use crate::ctl::show::{bytes, number, plain, time, word};

/// A terminal this high has room for higher trends.
const HIGH: u16 = 40;

/// A column of clients.
struct Column {
    title: &'static str,
    width: Constraint,
    /// The terminal has to be this wide.
    from: u16,
    show: fn(&Value) -> String,
}

const COLUMNS: &[Column] = &[
    column("ID", Constraint::Length(7), 0, |row| plain(&row["id"])),
    column("USERNAME", Constraint::Length(19), 0, |row| {
        word(&row["username"])
    }),
    column("STATE", Constraint::Length(10), 0, |row| {
        state(&row["state"])
    }),
    column("DIALECT", Constraint::Length(8), 0, |row| {
        plain(&row["dialect"])
    }),
    column("IN/S", Constraint::Length(7), 0, |row| {
        number(&row["in_msgs_per_second"])
    }),
    column("OUT/S", Constraint::Length(7), 0, |row| {
        number(&row["out_msgs_per_second"])
    }),
    column("LAG", Constraint::Length(6), 0, |row| {
        number(&row["lag_msgs"])
    }),
    column("BEHIND", Constraint::Length(7), 0, |row| {
        time(&row["lag_seconds"])
    }),
    column("BYTES/S", Constraint::Length(10), 120, |row| {
        bytes(&row["out_bytes_per_second"])
    }),
    column("AGE", Constraint::Length(8), 120, |row| {
        time(&row["age_seconds"])
    }),
    column("IDLE", Constraint::Length(8), 120, |row| {
        time(&row["idle_seconds"])
    }),
    column("ADDR", Constraint::Length(24), 150, |row| {
        plain(&row["addr"])
    }),
    column("ROOMS", Constraint::Length(24), 170, |row| {
        word(&row["rooms"])
    }),
    column("CLIENT", Constraint::Fill(1), 170, |row| {
        word(&row["client"])
    }),
];

const fn column(
    title: &'static str,
    width: Constraint,
    from: u16,
    show: fn(&Value) -> String,
) -> Column {
    Column {
        title,
        width,
        from,
        show,
    }
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let trend = if frame.area().height >= HIGH { 6 } else { 3 };
    let [head, numbers, trends, table, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(trend),
        Constraint::Min(2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(title(app)), head);
    frame.render_widget(Paragraph::new(sums(app)), numbers);
    draw_trends(frame, app, trends);
    draw_clients(frame, app, table);
    frame.render_widget(Paragraph::new(footer(app)), foot);
}

impl App {
    fn coloured(&self, style: Style, colour: Color) -> Style {
        if self.has_colours {
            style.fg(colour)
        } else {
            style
        }
    }
}

fn title(app: &App) -> Line<'static> {
    let status = &app.glance["status"];
    if status.is_null() {
        return Line::from("chatctl top: waiting for chatd");
    }
    let (glyph, colour) = match (status["phase"].as_str(), status["paused"] == true) {
        (_, true) => ("‖ paused", Color::Yellow),
        (Some("ready"), _) => ("● ready", Color::Green),
        (Some("draining"), _) => ("▼ draining", Color::Yellow),
        _ => ("○ not ready", Color::Red),
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let time_ = plain(&app.glance["time"]);
    let clock = time_
        .split(['T', '.'])
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let busy = match &app.pulse["workers_busy_percent"] {
        Value::Null => String::new(),
        percent => format!("  busy {}%", number(percent)),
    };
    let frozen = if app.is_frozen { "  FROZEN" } else { "" };
    Line::from(vec![
        Span::styled(
            format!("{} {}  ", plain(&status["name"]), plain(&status["version"])),
            bold,
        ),
        Span::styled(glyph.to_owned(), app.coloured(bold, colour)),
        Span::from(format!(
            "  up {}{busy}  {clock}Z{frozen}",
            time(&status["uptime_seconds"])
        )),
    ])
}

fn sums(app: &App) -> String {
    let (status, pulse) = (&app.glance["status"], &app.pulse);
    if status.is_null() {
        return String::new();
    }
    format!(
        "clients {}/{}  behind {}  rooms {}  in {}/s  closed {}/s  refused {}/s  gaps {}",
        plain(&status["clients"]),
        plain(&status["clients_limit"]),
        plain(&status["clients_by_state"]["behind"]),
        plain(&status["rooms"]),
        number(&pulse["accepted_per_second"]),
        number(&pulse["closed_per_second"]),
        number(&pulse["refused_per_second"]),
        plain(&status["gap_messages"]),
    )
}

fn draw_trends(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let pulse = &app.pulse;
    let trends = [
        (
            "msgs/s",
            number(&pulse["committed_per_second"]),
            &app.messages,
            Color::Cyan,
        ),
        (
            "deliveries/s",
            number(&pulse["deliveries_per_second"]),
            &app.deliveries,
            Color::Green,
        ),
        (
            "bytes/s",
            bytes(&pulse["out_bytes_per_second"]),
            &app.bytes,
            Color::Blue,
        ),
        (
            "p99",
            time(&pulse["delivery_p99_seconds"]),
            &app.latency,
            Color::Magenta,
        ),
    ];
    let areas = Layout::horizontal([Constraint::Ratio(1, 4); 4])
        .spacing(1)
        .split(area);
    for ((name, value, trend, colour), area) in trends.into_iter().zip(areas.iter()) {
        let [label, line] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(*area);
        frame.render_widget(Paragraph::new(format!("{name} {value}")), label);
        let sparkline = Sparkline::default()
            .data(trend.points())
            .direction(RenderDirection::RightToLeft)
            .style(app.coloured(Style::new(), colour));
        frame.render_widget(sparkline, line);
    }
}

fn draw_clients(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| frame.area().width >= column.from)
        .collect();
    let rows = app.rows();
    let shown = rows.iter().map(|row| {
        let cells = columns.iter().map(|column| {
            let style = if column.title == "STATE" {
                app.coloured(Style::new(), colour_of(&row["state"]))
            } else {
                Style::new()
            };
            Cell::from((column.show)(row)).style(style)
        });
        Row::new(cells.collect::<Vec<_>>())
    });
    let heading = columns.iter().map(|column| column.title);
    let table = Table::new(
        shown.collect::<Vec<_>>(),
        columns.iter().map(|column| column.width),
    )
    .header(Row::new(heading).style(Style::new().add_modifier(Modifier::REVERSED)))
    .row_highlight_style(Style::new().add_modifier(Modifier::BOLD))
    .highlight_spacing(HighlightSpacing::Always)
    .highlight_symbol(">");
    let mut chosen = TableState::new().with_selected(app.chosen_row());
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn footer(app: &App) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match &app.mode {
        Mode::Filter => Line::styled(format!("filter: {}_", app.filter), bold),
        Mode::Confirm { id, who } => Line::styled(
            format!("kick {who} (id {id})? y to kick, any other key not to"),
            bold,
        ),
        Mode::Look if !app.said.is_empty() => Line::styled(app.said.clone(), bold),
        Mode::Look => {
            let filter = if app.filter.is_empty() {
                String::new()
            } else {
                format!(": {}", app.filter)
            };
            let sort = app.sort.as_str();
            Line::from(format!(
                "q quit  s sort: {sort}  / filter{filter}  arrows choose  k kick  space freeze"
            ))
        }
    }
}

fn state(state: &Value) -> String {
    let glyph = match state.as_str() {
        Some("live") => "●",
        Some("behind") => "▲",
        Some("closing") => "✕",
        _ => "○",
    };
    format!("{glyph} {}", plain(state))
}

fn colour_of(state: &Value) -> Color {
    match state.as_str() {
        Some("live") => Color::Green,
        Some("behind") => Color::Red,
        Some("closing") => Color::DarkGray,
        _ => Color::Reset,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;
    use crate::ctl::args::Measure;

    fn screen(width: u16, height: u16, app: &mut App) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, app)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    fn app() -> App {
        let mut app = App::new(Measure::LagMsgs, true);
        let glance = |seconds, sum| {
            json!({
                "time": "2026-01-02T03:04:05.678Z", "interval_seconds": seconds,
                "status": {
                    "name": "chatd", "version": "0.1.0", "phase": "ready", "uptime_seconds": 3700.0,
                    "clients": 2, "clients_limit": 10000, "clients_by_state": {"behind": 1}, "rooms": 1,
                    "gap_messages": 3, "committed_messages": sum, "workers": 2, "workers_busy_seconds": seconds,
                },
                "clients": [
                    {"id": 7, "username": "alice", "state": "behind", "dialect": "full", "lag_msgs": 12,
                     "in_msgs_per_second": 1.5, "out_msgs_per_second": 0.0, "lag_seconds": 61.0,
                     "addr": "127.0.0.1:4711", "rooms": ["den", "lobby"], "client": "x\u{1b}[31m/1"},
                    {"id": 8, "username": null, "state": "new", "dialect": "none", "lag_msgs": 0,
                     "in_msgs_per_second": 0.0, "out_msgs_per_second": 0.0, "lag_seconds": 0.0},
                ],
            })
        };
        app.see(glance(0.0, 0));
        app.see(glance(1.0, 40));
        app
    }

    #[test]
    fn eighty_by_twenty_four_has_all_that_matters() {
        let rows = screen(80, 24, &mut app());
        assert_eq!(
            rows[0],
            "chatd 0.1.0  ● ready  up 1h1m  busy 50%  03:04:05Z"
        );
        assert!(
            rows[1].starts_with("clients 2/10000  behind 1  rooms 1"),
            "{rows:#?}"
        );
        assert!(rows[2].starts_with("msgs/s 40"), "{rows:#?}");
        let heading: Vec<_> = rows[5].split_whitespace().collect();
        assert_eq!(
            heading,
            [
                "ID", "USERNAME", "STATE", "DIALECT", "IN/S", "OUT/S", "LAG", "BEHIND"
            ]
        );
        assert!(
            rows[6].contains("alice") && rows[6].contains("▲ behind"),
            "{rows:#?}"
        );
        assert!(
            rows[6].contains("1.5") && rows[6].contains("1m1s"),
            "{rows:#?}"
        );
        assert!(rows[7].contains("○ new"), "{rows:#?}");
        assert!(
            rows[23].starts_with("q quit  s sort: lag_msgs"),
            "{rows:#?}"
        );
    }

    #[test]
    fn two_hundred_by_fifty_has_more_columns_and_nothing_raw() {
        let rows = screen(200, 50, &mut app());
        let heading = rows.iter().find(|row| row.contains("USERNAME")).unwrap();
        assert!(
            heading.contains("ADDR") && heading.contains("CLIENT"),
            "{heading}"
        );
        let alice = rows.iter().find(|row| row.contains("alice")).unwrap();
        assert!(
            alice.contains("127.0.0.1:4711") && alice.contains("den,lobby"),
            "{alice}"
        );
        assert!(alice.contains("x\\x1b[31m/1"), "{alice}");
        assert!(rows[49].starts_with("q quit"), "{rows:#?}");
    }

    #[test]
    fn a_tiny_terminal_and_no_glance_are_no_trouble() {
        screen(10, 3, &mut app());
        let mut waiting = App::new(Measure::InRate, false);
        assert!(screen(80, 24, &mut waiting)[0].contains("waiting"));
    }
}
