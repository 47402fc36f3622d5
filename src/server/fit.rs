//! Limits that fit this machine.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Loaded;
use crate::limits::Limits;

/// Descriptors that are not for sessions: doors, admin and metrics connections, runtimes, logs.
const RESERVE: usize = 128;

/// The limits of a configuration, with `clients` lowered to what the descriptor limit allows.
///
/// # Errors
/// `limits.clients` was set explicitly above that.
pub fn fit_limits(loaded: &Loaded) -> Result<Limits, String> {
    let limits = loaded.config.limits.clone();
    let Some(descriptors) = descriptors() else {
        return Ok(limits);
    };
    fit(limits, descriptors, loaded.is_explicit("limits.clients"))
}

fn fit(mut limits: Limits, descriptors: usize, is_explicit: bool) -> Result<Limits, String> {
    let fits = descriptors.saturating_sub(RESERVE).max(1);
    if limits.clients <= fits {
        return Ok(limits);
    }
    if is_explicit {
        return Err(format!(
            "limits.clients: {} need more descriptors than there are: {descriptors} (RLIMIT_NOFILE) \
             less {RESERVE} for the daemon itself leave {fits}; raise LimitNOFILE or lower limits.clients",
            limits.clients
        ));
    }
    tracing::warn!(
        event = "limits.lowered",
        key = "limits.clients",
        from = limits.clients,
        to = fits,
        "fewer descriptors than the default needs"
    );
    limits.clients = fits;
    Ok(limits)
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

    #[test]
    fn a_default_is_lowered_and_a_wish_is_refused() {
        let limits = Limits {
            clients: 1_000,
            ..Limits::default()
        };
        assert_eq!(fit(limits.clone(), 4_096, true).unwrap().clients, 1_000);
        assert_eq!(fit(limits.clone(), 628, false).unwrap().clients, 500);
        let refused = fit(limits, 628, true).unwrap_err();
        assert!(refused.contains("leave 500"), "{refused}");
    }
}
