//! What must hold between keys.
//!
//! The keys of one rule are all live or all restart-only: a reload that applies only the live
//! ones must not make a mixture that breaks a rule.

use std::net::SocketAddr;

use crate::limits::ENVELOPE;

use super::Config;
use super::unit::write_size;

/// One thing that must hold.
pub(super) struct Rule {
    /// The keys that it is about, the one at fault first. The messages name them, because a fault
    /// may be put at any of them.
    pub(super) keys: &'static [&'static str],
    /// `Err` says what is wrong and what to do.
    pub(super) check: fn(&Config) -> Result<(), String>,
}

/// Every rule.
pub(super) static RULES: &[Rule] = &[
    Rule {
        keys: &["server.listen", "server.allow_plaintext"],
        check: plaintext,
    },
    Rule {
        keys: &["admin.listen"],
        check: admin_is_local,
    },
    Rule {
        keys: &["admin.listen", "server.listen"],
        check: admin_beside_chat,
    },
    Rule {
        keys: &["metrics.listen", "server.listen"],
        check: metrics_beside_chat,
    },
    Rule {
        keys: &["metrics.listen", "admin.listen"],
        check: metrics_beside_admin,
    },
    Rule {
        keys: &["server.listen"],
        check: chat_beside_itself,
    },
    Rule {
        keys: &["limits.message", "limits.line"],
        check: message_in_line,
    },
    Rule {
        keys: &["limits.topic", "limits.line"],
        check: topic_beside_a_roster,
    },
    Rule {
        keys: &["limits.outbox", "limits.line"],
        check: outbox_holds_lines,
    },
    Rule {
        keys: &["limits.recent_bytes", "limits.line"],
        check: recent_holds_a_line,
    },
    Rule {
        keys: &["limits.lag_bytes", "limits.recent_bytes"],
        check: lag_within_recent,
    },
];

fn plaintext(config: &Config) -> Result<(), String> {
    let open = config
        .server
        .listen
        .iter()
        .find(|address| !is_loopback(address));
    match open {
        Some(address) if !config.server.allow_plaintext => Err(format!(
            "{address}: a non-loopback chat address without TLS needs `server.allow_plaintext = true`"
        )),
        _ => Ok(()),
    }
}

fn admin_is_local(config: &Config) -> Result<(), String> {
    match config.admin.listen {
        Some(address) if !is_loopback(&address) => Err(format!(
            "{address} is not a loopback address; admin is never served to other machines, \
             write \"127.0.0.1:7688\" and reach it through ssh"
        )),
        _ => Ok(()),
    }
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn admin_beside_chat(config: &Config) -> Result<(), String> {
    apart(
        "admin.listen",
        config.admin.listen,
        "server.listen",
        &config.server.listen,
    )
}

fn metrics_beside_chat(config: &Config) -> Result<(), String> {
    apart(
        "metrics.listen",
        config.metrics.listen,
        "server.listen",
        &config.server.listen,
    )
}

fn metrics_beside_admin(config: &Config) -> Result<(), String> {
    let admin: Vec<_> = config.admin.listen.into_iter().collect();
    apart(
        "metrics.listen",
        config.metrics.listen,
        "admin.listen",
        &admin,
    )
}

fn chat_beside_itself(config: &Config) -> Result<(), String> {
    let listen = &config.server.listen;
    (1..listen.len()).try_for_each(|index| {
        apart(
            "server.listen",
            Some(listen[index]),
            "server.listen",
            &listen[..index],
        )
    })
}

/// No two listeners may want one port of one address.
fn apart(
    name: &str,
    address: Option<SocketAddr>,
    other_name: &str,
    others: &[SocketAddr],
) -> Result<(), String> {
    let Some(address) = address else {
        return Ok(());
    };
    match others.iter().find(|other| collide(address, **other)) {
        Some(other) => Err(format!(
            "{address} of `{name}` and {other} of `{other_name}` cannot both be listened on; \
             write another port"
        )),
        None => Ok(()),
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (one, other) = (a.ip(), b.ip());
    let is_same_family = one.is_ipv4() == other.is_ipv4();
    let overlaps = one == other || one.is_unspecified() || other.is_unspecified();
    a.port() != 0 && a.port() == b.port() && is_same_family && overlaps
}

fn message_in_line(config: &Config) -> Result<(), String> {
    let (message, line) = (config.limits.message, config.limits.line);
    hold(message + ENVELOPE <= line, || {
        format!(
            "`limits.message` of {} does not fit into `limits.line` of {} with the {} that surround \
             it; write a line of at least \"{}\", or a shorter message",
            write(message),
            write(line),
            write(ENVELOPE),
            write(message + ENVELOPE),
        )
    })
}

/// A topic has no control characters, so that its escapes at most double it; and what else stands on
/// the line with it (a roster, other rooms) is to have some of the line too.
fn topic_beside_a_roster(config: &Config) -> Result<(), String> {
    let (topic, line) = (config.limits.topic, config.limits.line);
    let least = topic.saturating_mul(2).saturating_add(ENVELOPE);
    hold(least <= line, || {
        format!(
            "`limits.topic` of {} does not fit into `limits.line` of {} with its escapes and the {} \
             that surround it; write a line of at least \"{}\", or a shorter topic",
            write(topic),
            write(line),
            write(ENVELOPE),
            write(least),
        )
    })
}

fn outbox_holds_lines(config: &Config) -> Result<(), String> {
    let (outbox, line) = (config.limits.outbox, config.limits.line);
    let least = 2 * (line + ENVELOPE);
    hold(outbox >= least, || {
        format!(
            "`limits.outbox` of {} does not hold two of the longest lines of `limits.line` of {}; \
             write an outbox of at least \"{}\", or a shorter line",
            write(outbox),
            write(line),
            write(least),
        )
    })
}

fn recent_holds_a_line(config: &Config) -> Result<(), String> {
    let (recent, line) = (config.limits.recent_bytes, config.limits.line);
    hold(recent >= line, || {
        format!(
            "`limits.recent_bytes` of {} does not hold one line of `limits.line` of {}; write at \
             least \"{}\" for it, or a shorter line",
            write(recent),
            write(line),
            write(line),
        )
    })
}

fn lag_within_recent(config: &Config) -> Result<(), String> {
    let (lag, recent) = (
        config.limits.lag_bytes.unwrap_or(0),
        config.limits.recent_bytes,
    );
    hold(lag <= recent, || {
        format!(
            "`limits.lag_bytes` of {} is more than `limits.recent_bytes` of {}: nobody can be \
             further behind than what is kept; write at most \"{}\" for it, or \"unlimited\"",
            write(lag),
            write(recent),
            write(recent),
        )
    })
}

fn hold(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

fn write(bytes: usize) -> String {
    write_size(bytes as u64)
}
