//! A line for each interval, as vmstat does it: for a terminal that scrolls, and for a file.

use serde_json::{Value, json};

use super::args::Watch;
use super::desk::Desk;
use super::link::Heard;
use super::pulse::pulse;
use super::render::{Column, Look, line, rows};
use super::show::{bytes, moment, number, plain, time};
use super::trouble::Trouble;

const PULSE: &[Column] = &[
    Column::new("time", "TIME", moment),
    Column::new("phase", "PHASE", plain),
    Column::new("clients", "CLIENTS", plain),
    Column::new("behind", "BEHIND", plain),
    Column::new("accepted_per_second", "IN/S", number),
    Column::new("closed_per_second", "CLOSED/S", number),
    Column::new("refused_per_second", "REFUSED/S", number),
    Column::new("committed_per_second", "MSGS/S", number),
    Column::new("deliveries_per_second", "DELIVERIES/S", number),
    Column::new("gap_messages_per_second", "GAPPED/S", number),
    Column::raw("in_bytes_per_second"),
    Column::new("out_bytes_per_second", "BYTES/S", bytes),
    Column::new("lag_msgs_max", "LAG", plain),
    Column::new("workers_busy_percent", "BUSY %", number),
    Column::raw("lag_seconds_max"),
    Column::raw("buffer_bytes"),
    Column::raw("delivery_p50_seconds"),
    Column::new("delivery_p99_seconds", "P99", time),
];
/// Lines after which a person sees the heading again.
const SCREEN: u64 = 20;

impl Desk<'_> {
    pub(super) fn watch(&mut self, order: &Watch) -> Result<(), Trouble> {
        let interval = order.interval.as_secs_f64();
        let params = json!({"limit": 0, "interval_seconds": interval});
        self.call("top.subscribe", params, "watch")?;
        let mut before = Value::Null;
        let mut shown = 0;
        while order.count.is_none_or(|count| shown < count) {
            match self.link.listen(None)? {
                Heard::Silence => {}
                Heard::End => {
                    let sentence = "chatd has ended: there is nothing left to watch";
                    return Err(Trouble::Failed(sentence.to_owned()));
                }
                Heard::Object(glance) => {
                    if let Some(pulse) = pulse(&before, &glance) {
                        self.pulse(&pulse, shown)?;
                        shown += 1;
                    }
                    before = glance;
                }
            }
        }
        Ok(())
    }

    fn pulse(&mut self, pulse: &Value, shown: u64) -> Result<(), Trouble> {
        let printed = match self.look {
            Look::Table => {
                let titled: Vec<_> = PULSE
                    .iter()
                    .filter_map(|one| Some((one, one.title?)))
                    .collect();
                let width = |title: &str| title.len().max(8);
                let mut text = String::new();
                if shown.is_multiple_of(SCREEN) {
                    for (_, title) in &titled {
                        text.push_str(&format!("{title:>0$} ", width(title)));
                    }
                    text.push('\n');
                }
                for (column, title) in &titled {
                    let cell = (column.show)(&pulse[column.key]);
                    text.push_str(&format!("{cell:>0$} ", width(title)));
                }
                writeln!(self.out, "{}", text.trim_end())
            }
            Look::Json | Look::Ndjson => {
                rows(self.out, Look::Ndjson, PULSE, std::slice::from_ref(pulse))
            }
            Look::Tabs | Look::Csv if shown == 0 => {
                rows(self.out, self.look, PULSE, std::slice::from_ref(pulse))
            }
            Look::Tabs | Look::Csv => line(self.out, self.look, PULSE, pulse),
        };
        printed
            .and_then(|()| self.out.flush())
            .map_err(|error| Trouble::of_printing(&error))
    }
}
