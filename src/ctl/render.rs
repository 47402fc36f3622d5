//! Answers as text: for a person, for a pipe, for a program.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::args::Format;
use super::show;
use crate::escape::visible;

/// How answers are to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Columns for a person.
    Table,
    /// Raw values between tabs, with a heading.
    Tabs,
    /// As `--format` says.
    Json,
    /// As `--format` says.
    Ndjson,
    /// As `--format` says.
    Csv,
}

impl Look {
    /// Whether programs get a row for each thing rather than an object.
    pub(super) fn is_rows(self) -> bool {
        matches!(self, Self::Csv | Self::Ndjson)
    }

    /// What was asked for, or what suits where the output goes.
    pub(super) fn of(format: Option<Format>) -> Self {
        match format {
            Some(Format::Table) => Self::Table,
            Some(Format::Json) => Self::Json,
            Some(Format::Ndjson) => Self::Ndjson,
            Some(Format::Csv) => Self::Csv,
            None if io::stdout().is_terminal() => Self::Table,
            None => Self::Tabs,
        }
    }
}

/// A column of a list.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// Its name in the rows, and the heading for programs.
    pub(super) key: &'static str,
    /// The heading for a person; none if a person does not need it.
    pub(super) title: Option<&'static str>,
    /// How a person sees the value.
    pub(super) show: fn(&Value) -> String,
}

impl Column {
    /// A column that a person sees too.
    pub(super) const fn new(
        key: &'static str,
        title: &'static str,
        show: fn(&Value) -> String,
    ) -> Self {
        Self {
            key,
            title: Some(title),
            show,
        }
    }

    /// The same, seen by a person too.
    pub(super) const fn for_everyone(self) -> Self {
        let title = match self.title {
            Some(title) => title,
            None => self.key,
        };
        Self {
            title: Some(title),
            ..self
        }
    }

    /// A column for programs.
    pub(super) const fn raw(key: &'static str) -> Self {
        Self {
            key,
            title: None,
            show: show::plain,
        }
    }
}

/// Prints a list.
pub(super) fn rows(
    out: &mut dyn Write,
    look: Look,
    columns: &[Column],
    rows: &[Value],
) -> io::Result<()> {
    match look {
        Look::Table => table(out, columns, rows),
        Look::Tabs => separated(out, look, columns, rows, "\t"),
        Look::Csv => separated(out, look, columns, rows, ","),
        Look::Ndjson => rows
            .iter()
            .try_for_each(|row| writeln!(out, "{}", printable_json(row))),
        Look::Json => array(out, rows),
    }
}

/// Prints one row of a list that has no end, between tabs or commas and without a heading.
pub(super) fn line(
    out: &mut dyn Write,
    look: Look,
    columns: &[Column],
    row: &Value,
) -> io::Result<()> {
    let (between, cell): (_, fn(&Value) -> String) = match look {
        Look::Csv => (",", |value| quoted(&show::plain(value))),
        _ => ("\t", show::plain),
    };
    let cells: Vec<_> = columns
        .iter()
        .map(|column| cell(&row[column.key]))
        .collect();
    writeln!(out, "{}", cells.join(between))
}

/// Prints one object: its fields below each other, or as JSON.
pub(super) fn object(out: &mut dyn Write, look: Look, object: &Value) -> io::Result<()> {
    match look {
        Look::Json => writeln!(out, "{}", escaped(&format!("{object:#}"))),
        Look::Ndjson => writeln!(out, "{}", printable_json(object)),
        Look::Csv => {
            writeln!(out, "key,value")?;
            fields(object)
                .try_for_each(|(key, value)| writeln!(out, "{key},{}", quoted(&show::plain(value))))
        }
        Look::Tabs => fields(object)
            .try_for_each(|(key, value)| writeln!(out, "{key}\t{}", show::plain(value))),
        Look::Table => {
            let width = fields(object).map(|(key, _)| key.len()).max().unwrap_or(0);
            fields(object).try_for_each(|(key, value)| {
                writeln!(out, "{key:<width$}  {}", show::of_unit(key, value))
            })
        }
    }
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn table(out: &mut dyn Write, columns: &[Column], rows: &[Value]) -> io::Result<()> {
    let shown: Vec<_> = columns
        .iter()
        .filter(|column| column.title.is_some())
        .collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(shown.iter().filter_map(|column| column.title));
    for row in rows {
        table.add_row(shown.iter().map(|column| (column.show)(&row[column.key])));
    }
    for (at, column) in shown.iter().enumerate() {
        let is_number = rows.first().is_some_and(|row| row[column.key].is_number());
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn separated(
    out: &mut dyn Write,
    look: Look,
    columns: &[Column],
    rows: &[Value],
    between: &str,
) -> io::Result<()> {
    let heading: Vec<_> = columns.iter().map(|column| column.key).collect();
    writeln!(out, "{}", heading.join(between))?;
    rows.iter()
        .try_for_each(|row| line(out, look, columns, row))
}

/// One row on each line, so that `grep` and `head` are of use too.
fn array(out: &mut dyn Write, rows: &[Value]) -> io::Result<()> {
    let Some((last, others)) = rows.split_last() else {
        return writeln!(out, "[]");
    };
    writeln!(out, "[")?;
    for row in others {
        writeln!(out, "  {},", printable_json(row))?;
    }
    writeln!(out, "  {}\n]", printable_json(last))
}

fn printable_json(value: &Value) -> String {
    escaped(&value.to_string())
}

/// JSON may hold what a terminal obeys: it is written as JSON escapes, which mean the same.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let mut alone = [0; 4];
        if matches!(c, ' '..='~' | '\n') || visible(c.encode_utf8(&mut alone)).len() == c.len_utf8()
        {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("id", "ID", show::plain),
        Column::new("username", "USERNAME", show::word),
        Column::raw("in_bytes"),
    ];

    fn printed(look: Look) -> String {
        let list = [
            json!({"id": 7, "username": "a\u{1b}[2J,\"b\"", "in_bytes": 4096}),
            json!({"id": 12, "username": null, "in_bytes": 0}),
        ];
        let mut out = Vec::new();
        rows(&mut out, look, COLUMNS, &list).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_person_gets_columns_and_a_pipe_gets_tabs() {
        assert_eq!(
            printed(Look::Table),
            "ID  USERNAME\n 7  a\\x1b[2J,\"b\"\n12  -\n"
        );
        assert_eq!(
            printed(Look::Tabs),
            "id\tusername\tin_bytes\n7\ta\\x1b[2J,\"b\"\t4096\n12\t\t0\n"
        );
        assert_eq!(
            printed(Look::Csv),
            "id,username,in_bytes\n7,\"a\\x1b[2J,\"\"b\"\"\",4096\n12,,0\n"
        );
    }

    #[test]
    fn one_record_is_two_columns_for_a_person_and_tabs_for_a_pipe() {
        let record = json!({
            "level": "debug\u{1b}", "lines_dropped": 0, "age_seconds": 61.0, "in_bytes": 1536,
            "connected_at": "2026-01-02T03:04:05.678Z", "rooms": [],
        });
        let printed = |look| {
            let mut out = Vec::new();
            object(&mut out, look, &record).unwrap();
            String::from_utf8(out).unwrap()
        };
        let table = printed(Look::Table);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "level          debug\\x1b",
                "lines_dropped  0",
                "age_seconds    1m1s",
                "in_bytes       1.5 KiB",
                "connected_at   2026-01-02T03:04:05Z",
                "rooms          -",
            ]
        );
        assert!(printed(Look::Tabs).contains("age_seconds\t61.0\nin_bytes\t1536\n"));
    }

    #[test]
    fn json_keeps_the_text_and_the_order_and_moves_no_cursor() {
        let text = printed(Look::Json);
        assert!(!text.contains('\u{1b}'));
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back[0]["username"], "a\u{1b}[2J,\"b\"");
        assert!(text.starts_with("[\n  {\"id\":7,\"username\":"), "{text}");
        assert_eq!(printed(Look::Ndjson).lines().count(), 2);
        let odd = json!("\u{202e}\u{9b}\u{e0041}ü👍");
        let escaped = printable_json(&odd);
        assert_eq!(escaped, "\"\\u202e\\u009b\\udb40\\udc41ü👍\"");
        assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), odd);
        let mut out = Vec::new();
        rows(&mut out, Look::Json, COLUMNS, &[]).unwrap();
        assert_eq!(out, b"[]\n");
    }

    #[test]
    fn one_row_is_one_line_that_moves_no_cursor_whatever_it_holds() {
        let corpus = include_str!("../../tests/corpus/hostile.jsonl");
        let list: Vec<Value> = corpus
            .lines()
            .map(|line| {
                let entry: Value = serde_json::from_str(line).unwrap();
                json!({"id": 7, "username": entry["text"], "in_bytes": {"a": entry["text"]}})
            })
            .collect();
        assert!(list.len() >= 300);
        for look in [Look::Table, Look::Tabs, Look::Csv, Look::Json, Look::Ndjson] {
            let mut out = Vec::new();
            rows(&mut out, look, COLUMNS, &list).unwrap();
            let text = String::from_utf8(out).unwrap();
            let between = |c: char| c == '\n' || look == Look::Tabs && c == '\t';
            let raw = |c: char| {
                c.is_control() && !between(c)
                    || "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{feff}".contains(c)
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            let more = match look {
                Look::Json => 2,
                Look::Ndjson => 0,
                _ => 1,
            };
            assert_eq!(text.lines().count(), list.len() + more, "{look:?}");
            assert!(!text.contains(raw), "{look:?}");
        }
    }
}
