//! The name that was probably meant.

/// The candidate nearest to what was written, if one is near enough to be worth saying.
///
/// A candidate that is all there as whole words (`clients` in `max_clients`) is near too.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    let tolerance = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (score(&written, &candidate.to_lowercase()), candidate))
        .filter(|&(score, _)| score <= tolerance)
        .min_by_key(|&(score, _)| score)
        .map(|(_, candidate)| candidate)
}

fn score(written: &str, candidate: &str) -> usize {
    // Longer than every candidate and more: no need to compare letter by letter.
    if written.len() > 2 * candidate.len() + 16 {
        return usize::MAX;
    }
    let has_words = candidate
        .split('_')
        .all(|word| written.split('_').any(|other| other == word));
    let distance = distance(written, candidate);
    if has_words { distance.min(1) } else { distance }
}

/// How many letters have to be changed, added, removed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(above[j] + 1).min(row[j - 1] + 1);
            let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if is_swap {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = [
        "line",
        "listen",
        "clients",
        "clients_per_address",
        "lag_age",
    ];

    #[test]
    fn a_slip_of_the_finger_finds_the_name() {
        for (written, meant) in [
            ("lien", "line"),
            ("lines", "line"),
            ("Listen", "listen"),
            ("max_clients", "clients"),
            ("client_per_address", "clients_per_address"),
            ("lag-age", "lag_age"),
        ] {
            assert_eq!(nearest(written, NAMES), Some(meant), "{written}");
        }
    }

    #[test]
    fn a_stranger_finds_nothing() {
        for written in ["", "x", "history", "durability", &"x".repeat(10_000)] {
            assert_eq!(nearest(written, NAMES), None, "{written:.20}");
        }
    }
}
