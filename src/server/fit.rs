//! Limits that fit this machine: its descriptors and the memory that its control group allows.
//!
//! What the limits add up to at worst must be there. A default is lowered as far as it takes, with a
//! warning; what somebody asked for is not changed but refused, with what to do instead.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::cgroup::{self, Memory};
use crate::config::Loaded;
use crate::limits::{DEDUP_BYTES, Limits};

/// Descriptors that are not for sessions: doors, admin and metrics connections, refused connections,
/// runtimes, logs.
const RESERVE: usize = 128;

/// Memory that is there besides what the limits bound: program, runtimes, the idle part of sessions.
const OWN_BYTES: u64 = 48 << 20;

/// What there is.
#[derive(Clone, Debug, Default)]
struct Machine {
    descriptors: Option<usize>,
    memory: Option<Memory>,
}

/// Operators who may listen to events at once, each with a descriptor.
const READERS: std::ops::RangeInclusive<usize> = 16..=1024;

/// How many operators may listen to events and the like: what sessions and the reserve leave.
pub(super) fn readers(limits: &Limits) -> usize {
    let most = *READERS.end();
    let spare = descriptors().map_or(most, |all| all.saturating_sub(limits.clients + RESERVE));
    spare.clamp(*READERS.start(), most)
}

/// A default that is too much here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lowered {
    key: &'static str,
    from: usize,
    to: usize,
}

/// The limits of a configuration, with defaults lowered to what this machine has.
///
/// # Errors
/// What was set explicitly is more than that. The sentence says what to do.
pub fn fit_limits(loaded: &Loaded) -> Result<Limits, String> {
    let (limits, lowered) = fit(loaded, &Machine::here())?;
    for Lowered { key, from, to } in lowered {
        tracing::warn!(
            event = "limits.lowered",
            key,
            from,
            to,
            "this machine has less than the default needs"
        );
    }
    Ok(limits)
}

/// What `--check-config` says of these limits here: what they add up to, and what was lowered.
///
/// # Errors
/// As for [`fit_limits`].
pub fn budget(loaded: &Loaded) -> Result<String, String> {
    let machine = Machine::here();
    let (limits, lowered) = fit(loaded, &machine)?;
    Ok(report(&limits, &lowered, &machine))
}

/// Operators and scrapes at once for whom descriptors are kept back: fewer where there are few.
pub(super) fn spare_connections() -> usize {
    const MOST: usize = 16;
    const SHARE: usize = 16;
    descriptors().map_or(MOST, |descriptors| (descriptors / SHARE).clamp(1, MOST))
}

/// Bytes of memory that the control group allows, if it has a limit.
pub(super) fn memory_limit() -> Option<u64> {
    cgroup::memory().map(|memory| memory.bytes)
}

impl Machine {
    fn here() -> Self {
        Self {
            descriptors: descriptors(),
            memory: cgroup::memory(),
        }
    }
}

fn fit(loaded: &Loaded, machine: &Machine) -> Result<(Limits, Vec<Lowered>), String> {
    let mut limits = loaded.config.limits.clone();
    let mut lowered = Vec::new();
    if let Some(descriptors) = machine.descriptors {
        let is_explicit = loaded.is_explicit("limits.clients");
        lowered.extend(fit_descriptors(&mut limits, descriptors, is_explicit)?);
    }
    if let Some(memory) = &machine.memory {
        lowered.extend(fit_memory(&mut limits, memory, |key| {
            loaded.is_explicit(key)
        })?);
    }
    Ok((limits, lowered))
}

/// What is not for clients. Where there are few, half of them: more sessions than descriptors only
/// means that the last ones wait in the kernel.
fn reserve_of(descriptors: usize) -> usize {
    RESERVE.min(descriptors / 2)
}

fn fit_descriptors(
    limits: &mut Limits,
    descriptors: usize,
    is_explicit: bool,
) -> Result<Option<Lowered>, String> {
    let reserve = reserve_of(descriptors);
    let fits = (descriptors - reserve).max(1);
    if limits.clients <= fits {
        return Ok(None);
    }
    let from = limits.clients;
    if is_explicit {
        return Err(format!(
            "limits.clients: {from} need more descriptors than there are: {descriptors} (RLIMIT_NOFILE) \
             less {reserve} for the daemon itself leave {fits}; raise LimitNOFILE or lower limits.clients",
        ));
    }
    limits.clients = fits;
    let key = "limits.clients";
    Ok(Some(Lowered {
        key,
        from,
        to: fits,
    }))
}

/// A limit that takes memory.
struct Taker {
    key: &'static str,
    value: fn(&mut Limits) -> &mut usize,
    /// What one more of it may take.
    each: fn(&Limits) -> u64,
    /// It is not lowered further than this.
    least: fn(&Limits) -> usize,
}

/// In the order in which they are lowered: first what costs comfort, last what turns people away.
const TAKERS: &[Taker] = &[
    Taker {
        key: "limits.recent_bytes",
        value: |limits| &mut limits.recent_bytes,
        each: |limits| limits.rooms as u64,
        least: |limits| limits.line.max(128 << 10),
    },
    Taker {
        key: "limits.outbox",
        value: |limits| &mut limits.outbox,
        each: |limits| limits.clients as u64,
        least: |limits| (2 * (limits.line + crate::limits::ENVELOPE)).max(64 << 10),
    },
    Taker {
        key: "limits.buffer_bytes",
        value: |limits| &mut limits.buffer_bytes,
        each: |_| 1,
        least: |_| 16 << 20,
    },
    Taker {
        key: "limits.dedup_entries",
        value: |limits| &mut limits.dedup_entries,
        each: |_| DEDUP_BYTES as u64,
        least: |_| 10_000,
    },
    Taker {
        key: "limits.clients",
        value: |limits| &mut limits.clients,
        each: |limits| limits.worst_case().sessions / limits.clients.max(1) as u64,
        least: |_| 100,
    },
    Taker {
        key: "limits.rooms",
        value: |limits| &mut limits.rooms,
        each: |limits| limits.recent_bytes as u64,
        least: |_| 50,
    },
];

fn fit_memory(
    limits: &mut Limits,
    memory: &Memory,
    is_explicit: impl Fn(&str) -> bool,
) -> Result<Vec<Lowered>, String> {
    let there = memory.bytes.saturating_sub(OWN_BYTES);
    let mut lowered = Vec::new();
    for taker in TAKERS.iter().filter(|taker| !is_explicit(taker.key)) {
        let over = limits.worst_case().process().saturating_sub(there);
        let each = (taker.each)(limits).max(1);
        let least = (taker.least)(limits);
        let from = *(taker.value)(limits);
        let less = usize::try_from(over.div_ceil(each)).unwrap_or(usize::MAX);
        let to = from.saturating_sub(less).max(least).min(from);
        if to < from {
            *(taker.value)(limits) = to;
            let key = taker.key;
            lowered.push(Lowered { key, from, to });
        }
    }
    let worst = limits.worst_case().process();
    let mut asked: Vec<_> = TAKERS
        .iter()
        .filter(|taker| is_explicit(taker.key))
        .map(|taker| {
            let value = *(taker.value)(limits);
            ((taker.each)(limits).saturating_mul(value as u64), taker.key)
        })
        .collect();
    asked.sort_unstable_by(|a, b| b.cmp(a));
    match asked.first() {
        Some((bytes, key)) if worst > there => Err(format!(
            "{key}: takes {} at worst, and with the least of everything else that is {}; the control \
             group allows {} ({}), of which {} are for the daemon itself: lower {key} or raise MemoryMax",
            size(*bytes),
            size(worst),
            size(memory.bytes),
            memory.file.display(),
            size(OWN_BYTES),
        )),
        // Nobody asked for more than the least, so it runs with the least.
        _ => Ok(lowered),
    }
}

fn report(limits: &Limits, lowered: &[Lowered], machine: &Machine) -> String {
    let worst = limits.worst_case();
    let parts = [
        ("sessions", worst.sessions),
        ("rooms", worst.rooms),
        ("behind", worst.behind),
        ("retries", worst.dedup),
        ("bans", worst.bans),
    ];
    let parts: Vec<_> = parts
        .map(|(what, bytes)| format!("{what} {}", size(bytes)))
        .into();
    let allowed = machine.memory.as_ref().map_or_else(
        || "no limit of the control group".to_owned(),
        |memory| format!("{} ({})", size(memory.bytes), memory.file.display()),
    );
    let descriptors = machine
        .descriptors
        .map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    let reserve = machine.descriptors.map_or(RESERVE, reserve_of);
    let mut text = format!(
        "memory at worst       {} of {allowed}\n  {}\n\
         socket buffers        {} at worst, held by the kernel\n\
         descriptors at worst  {} of {descriptors}: {} clients and {reserve} for the daemon itself\n",
        size(worst.process().saturating_add(OWN_BYTES)),
        parts.join(", "),
        size(worst.kernel),
        limits.clients + reserve,
        limits.clients,
    );
    for Lowered { key, from, to } in lowered {
        text += &format!("warning: {key} is lowered from its default {from} to {to}\n");
    }
    text
}

/// For a person: rounded.
fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// The descriptor limit, raised as far as it may be.
fn descriptors() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where it may not be raised, what it is now holds.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        );
    }
    let current = getrlimit(Resource::Nofile).current?;
    usize::try_from(current).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn memory(bytes: u64) -> Memory {
        Memory {
            bytes,
            file: "/sys/fs/cgroup/memory.max".into(),
        }
    }

    #[test]
    fn a_default_is_lowered_and_a_wish_is_refused() {
        let clients = |clients| Limits {
            clients,
            ..Limits::default()
        };
        let fit = |limits: &mut Limits, descriptors, explicit| {
            fit_descriptors(limits, descriptors, explicit)
        };
        let mut limits = clients(1_000);
        assert_eq!(fit(&mut limits, 4_096, true), Ok(None));
        fit(&mut limits, 628, false).unwrap();
        assert_eq!(limits.clients, 500);
        let refused = fit(&mut clients(1_000), 628, true).unwrap_err();
        assert!(refused.contains("leave 500"), "{refused}");
    }

    #[test]
    fn what_is_lowered_fits_and_what_fits_is_not_lowered() {
        let whole = Limits::default().worst_case().process() + OWN_BYTES;
        let none = fit_memory(&mut Limits::default(), &memory(whole), |_| false);
        assert_eq!(none, Ok(Vec::new()));
        for bytes in [whole - 1, 2048 * MIB, 1024 * MIB, 512 * MIB, 128 * MIB] {
            let mut limits = Limits::default();
            let lowered = fit_memory(&mut limits, &memory(bytes), |_| false).unwrap();
            assert!(!lowered.is_empty());
            let worst = limits.worst_case().process() + OWN_BYTES;
            assert!(worst <= bytes, "{worst} of {bytes}: {limits:?}");
            assert!(limits.outbox >= 2 * limits.line && limits.recent_bytes >= limits.line);
        }
        // Comfort goes first: nobody is turned away for a little less memory.
        let mut limits = Limits::default();
        fit_memory(&mut limits, &memory(2048 * MIB), |_| false).unwrap();
        assert_eq!((limits.clients, limits.rooms), (10_000, 1_000));
    }

    #[test]
    fn less_memory_than_the_least_is_no_reason_not_to_run() {
        let mut limits = Limits::default();
        let lowered = fit_memory(&mut limits, &memory(16 * MIB), |_| false).unwrap();
        assert_eq!(lowered.len(), TAKERS.len());
        assert_eq!((limits.clients, limits.rooms), (100, 50));
    }

    #[test]
    fn what_somebody_asked_for_is_not_changed_but_refused() {
        let mut limits = Limits {
            clients: 5_000,
            ..Limits::default()
        };
        let asked = |key: &str| key == "limits.clients";
        fit_memory(&mut limits, &memory(1536 * MIB), asked).unwrap();
        assert_eq!(limits.clients, 5_000);
        let refused = fit_memory(&mut limits, &memory(256 * MIB), asked).unwrap_err();
        assert!(refused.starts_with("limits.clients: "), "{refused}");
        assert!(
            refused.contains("256.0 MiB (/sys/fs/cgroup/memory.max)"),
            "{refused}"
        );
        assert!(refused.ends_with("or raise MemoryMax"), "{refused}");
    }

    #[test]
    fn the_sum_is_shown() {
        let machine = Machine {
            descriptors: Some(20_000),
            memory: Some(memory(1024 * MIB)),
        };
        let mut limits = Limits::default();
        let lowered = fit_memory(&mut limits, &memory(1024 * MIB), |_| false).unwrap();
        let text = report(&limits, &lowered, &machine);
        let wanted = format!(
            "descriptors at worst  {} of 20000: {} clients and 128 for the daemon itself\n",
            limits.clients + 128,
            limits.clients
        );
        assert!(text.contains(&wanted), "{text}");
        assert!(
            text.starts_with("memory at worst       1023.9 MiB of 1.0 GiB (/sys"),
            "{text}"
        );
        assert!(
            text.contains("warning: limits.recent_bytes is lowered"),
            "{text}"
        );
    }
}
