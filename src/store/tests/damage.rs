//! Files that are not as they were written: what is served then, and what is said about it.

use std::fs;
use std::os::unix::fs::FileExt;

use super::{Place, room, say};
use crate::store::{Anew, Opened, Span, StoreFiles, Trouble};

/// Whoever cuts committed turns off the log is not served what is left as if it were all.
#[test]
fn a_log_that_lost_its_end_is_noticed() {
    type Inflict = fn(&StoreFiles);
    let damages: [(&str, Inflict); 4] = [
        ("deleted", |files| fs::remove_file(&files.wal).unwrap()),
        ("cut", |files| {
            let wal = fs::OpenOptions::new().write(true).open(&files.wal).unwrap();
            wal.set_len(files.wal_bytes() - 4096).unwrap();
        }),
        ("flipped at the end", |files| {
            flip(&files.wal, files.wal_bytes() - 100);
        }),
        ("flipped in its header", |files| flip(&files.wal, 17)),
    ];
    for (damage, inflict) in damages {
        let place = Place::new();
        place.written(300);
        let files = place.files();
        assert!(files.wal_bytes() > 8192, "the turns are in the log");
        inflict(&files);
        let refused = place.try_open("one").unwrap_err();
        assert!(
            matches!(refused.trouble, Trouble::Lost | Trouble::Corrupt),
            "{damage}: {refused}"
        );
        assert!(refused.text.contains("rm "), "{damage}: {refused}");
    }
}

/// A flipped byte anywhere is refused with a reason, or changes nothing that is served.
#[test]
fn damage_is_refused_or_harmless_and_never_an_empty_store() {
    let place = Place::new();
    let mut opened = place.open();
    for name in ["lobby", "garden"] {
        say(&mut opened, name, 1..=300);
    }
    opened.writer.close().unwrap();
    drop(opened.store);
    let whole = fs::read(&place.path).unwrap();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut refused = 0;
    for seed in 0..30_u64 {
        let files = place.files();
        fs::write(&files.database, &whole).unwrap();
        for leftover in [&files.wal, &files.lock] {
            let _ = fs::remove_file(leftover);
        }
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(seed);
        flip(&files.database, (dice >> 20) % whole.len() as u64);
        match place.try_open("one") {
            Err(error) => {
                refused += 1;
                assert!(!error.text.is_empty());
            }
            Ok(opened) => {
                let reader = opened.store.reader().unwrap();
                assert_eq!(opened.rooms.len(), 2);
                for room in &opened.rooms {
                    let page = reader.page(room.key, Span::After(0), 1000).unwrap();
                    assert_eq!(page.len(), 300);
                    for message in page {
                        assert_eq!(*message.text, format!("message {}", message.seq));
                    }
                }
                opened.writer.close().unwrap();
            }
        }
    }
    assert!(refused > 10, "only {refused} of 30 were noticed");
}

/// Turns of a store.
const TURNS: u64 = 20;
/// Those of them that are in the database.
const BROUGHT_IN: u64 = 14;
/// Messages of each.
const MESSAGES: u64 = 15;

/// A store of which most turns are in the database and the last ones in its log, which has been used
/// before: what lies behind its end is of no account. The head after each turn.
fn brought_in(place: &Place) -> Vec<u64> {
    let mut opened = place.open();
    let checkpointer = opened.store.checkpointer().unwrap();
    for turn in 0..TURNS {
        if turn == BROUGHT_IN {
            checkpointer.bring_in().unwrap();
            checkpointer.begin_anew().unwrap();
        }
        let first = turn * MESSAGES + 1;
        say(&mut opened, "lobby", first..=first + MESSAGES - 1);
    }
    (0..=TURNS).map(|turn| turn * MESSAGES).collect()
}

/// Spoils so many bytes of the log, anywhere in it.
fn spoil_log(files: &StoreFiles, dice: &mut impl FnMut(u64) -> u64) {
    let bytes = files.wal_bytes();
    for _ in 0..=dice(8) {
        flip(&files.wal, dice(bytes));
    }
}

/// What is served of the lobby: every message from the first one on, as it was written, to an end at
/// which a turn ended.
fn served(opened: &Opened, ends: &[u64]) -> u64 {
    let Some(lobby) = opened.rooms.iter().find(|row| row.name == room("lobby")) else {
        return 0;
    };
    let reader = opened.store.reader().unwrap();
    let page = reader.page(lobby.key, Span::After(0), 1000).unwrap();
    assert_eq!(
        page.len() as u64,
        lobby.head,
        "dense from the first to the head"
    );
    assert!(
        ends.contains(&lobby.head),
        "{} is the middle of a turn",
        lobby.head
    );
    for message in page {
        assert_eq!(*message.text, format!("message {}", message.seq));
    }
    lobby.head
}

/// Spoiled bytes anywhere in the log: all is served, or the start is refused with the number of turns
/// that are missing. Whoever goes on as it says has whole turns, in a new epoch.
#[test]
fn a_damaged_log_is_refused_or_harmless_and_says_how_much_is_missing() {
    let (mut refused, mut harmless, mut cut) = (0, 0, 0);
    for seed in 0..30 {
        let place = Place::new();
        let ends = brought_in(&place);
        let all = ends[ends.len() - 1];
        let before = epoch_of(&place);
        spoil_log(&place.files(), &mut dice(seed));
        match place.try_open("one") {
            Ok(opened) => {
                harmless += 1;
                assert_eq!(served(&opened, &ends), all, "seed {seed}");
                assert_eq!((opened.anew, opened.rooms[0].epoch), (None, before));
            }
            Err(error) if error.trouble == Trouble::Lost => {
                refused += 1;
                let missing = turns_in(&error.text);
                fs::remove_file(place.files().witness).unwrap();
                let opened = place.open();
                let kept = served(&opened, &ends);
                assert_eq!(kept, ends[ends.len() - 1 - missing], "seed {seed}: {error}");
                assert_ne!(opened.rooms[0].epoch, before, "seed {seed}");
                cut += usize::from(kept > BROUGHT_IN * MESSAGES);
            }
            Err(error) => {
                assert_eq!(error.trouble, Trouble::Corrupt, "seed {seed}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "only {refused} of 30 were noticed");
    assert!(harmless > 0, "nothing behind the end was hit");
    assert!(cut > 0, "never was only a part of the log lost");
}

/// After the machine went down a log that lost its end is what was promised: it is served, in a new
/// epoch, and how many turns are missing is known.
#[test]
fn a_log_that_a_power_loss_damaged_says_how_much_is_missing() {
    let mut lost = 0;
    for seed in 0..30 {
        let place = Place::new();
        let ends = brought_in(&place);
        let before = epoch_of(&place);
        spoil_log(&place.files(), &mut dice(seed));
        let opened = match place.try_open("two") {
            Ok(opened) => opened,
            Err(error) => {
                assert_eq!(error.trouble, Trouble::Corrupt, "seed {seed}: {error}");
                continue;
            }
        };
        let Some(Anew::PowerLoss { missing }) = opened.anew else {
            panic!("seed {seed}: {:?}", opened.anew);
        };
        let kept = served(&opened, &ends);
        assert_eq!(kept, ends[ends.len() - 1 - missing as usize], "seed {seed}");
        assert_ne!(opened.rooms[0].epoch, before, "seed {seed}");
        lost += usize::from(missing > 0);
    }
    assert!(lost > 10, "only {lost} of 30 lost anything");
}

/// The number in "its last N committed turns are missing".
fn turns_in(text: &str) -> usize {
    let number = text.split(' ').find_map(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("{text:?} says no number"))
}

/// The epoch of the only room, read past everything that a start does.
fn epoch_of(place: &Place) -> u64 {
    let copy = Place::new();
    for (from, to) in [
        (place.files().database, copy.files().database),
        (place.files().wal, copy.files().wal),
        (place.files().witness, copy.files().witness),
    ] {
        fs::copy(from, to).unwrap();
    }
    copy.open().rooms[0].epoch
}

/// Dice that fall the same way for the same seed.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    move |sides| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 20) % sides
    }
}

fn flip(path: &std::path::Path, at: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
}
