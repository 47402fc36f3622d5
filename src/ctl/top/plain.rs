//! One glance as text, for who has no terminal.

use serde_json::{Value, json};

use super::glances::params;
use crate::ctl::args::Top;
use crate::ctl::desk::Desk;
use crate::ctl::link::Heard;
use crate::ctl::pulse::pulse;
use crate::ctl::render::Column;
use crate::ctl::show::{bytes, number, plain, time, word};
use crate::ctl::trouble::Trouble;

const CLIENTS: &[Column] = &[
    Column::new("id", "ID", word),
    Column::new("username", "USERNAME", word),
    Column::new("state", "STATE", word),
    Column::new("dialect", "DIALECT", word),
    Column::new("in_msgs_per_second", "IN/S", number),
    Column::new("out_msgs_per_second", "OUT/S", number),
    Column::new("out_bytes_per_second", "BYTES/S", bytes),
    Column::new("lag_msgs", "LAG", word),
    Column::new("lag_seconds", "BEHIND", time),
    Column::new("addr", "ADDR", word),
];

/// Prints the daemon and the first clients, with rates over one interval.
pub(super) fn glance(desk: &mut Desk<'_>, order: &Top) -> Result<(), Trouble> {
    desk.call(
        "top.subscribe",
        params(order, order.limit),
        "look at the daemon",
    )?;
    let mut before = Value::Null;
    let (glance, pulse) = loop {
        match desk.link.listen(None)? {
            Heard::Silence => {}
            Heard::End => return Err(Trouble::Failed("chatd has ended".to_owned())),
            Heard::Object(glance) => match pulse(&before, &glance) {
                Some(pulse) => break (glance, pulse),
                None => before = glance,
            },
        }
    };
    let clients = glance["clients"].as_array().cloned().unwrap_or_default();
    if !desk.is_for_people() {
        if desk.look.is_rows() {
            return desk.print(CLIENTS, &clients);
        }
        return desk.print_object(&json!({"daemon": pulse, "clients": clients}));
    }
    let of = |name: &str| &pulse[name];
    desk.say(&format!(
        "{} {} clients={} behind={} msgs/s={} deliveries/s={} bytes/s={} p99={} busy={}%",
        plain(&glance["status"]["name"]),
        plain(of("phase")),
        plain(of("clients")),
        plain(of("behind")),
        number(of("committed_per_second")),
        number(of("deliveries_per_second")),
        bytes(of("out_bytes_per_second")),
        time(of("delivery_p99_seconds")),
        number(of("workers_busy_percent")),
    ))?;
    desk.print(CLIENTS, &clients)
}
