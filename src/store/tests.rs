//! Plays with one store on a real disk.

mod damage;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::event::{Durability, SessionId, Topic};
use crate::name::{Nick, RoomName};

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        Self {
            _folder: folder,
            path,
        }
    }

    fn open(&self) -> Opened {
        self.try_open("one").unwrap()
    }

    fn try_open(&self, boot: &str) -> Result<Opened, StoreError> {
        Store::open_in(&self.path, Durability::Process, boot)
    }

    fn files(&self) -> StoreFiles {
        StoreFiles::of(&self.path)
    }

    /// A store with two rooms of so many messages each, whose daemon is killed.
    fn written(&self, messages: u64) -> Vec<RoomRow> {
        let mut opened = self.open();
        let rooms = ["lobby", "garden"].map(|name| say(&mut opened, name, 1..=messages));
        let rows = opened.store.reader().unwrap().rooms(None, 9).unwrap();
        assert_eq!(rooms.len(), rows.len());
        rows
    }
}

fn nick(text: &str) -> Nick {
    Nick::new(text).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::new(text).unwrap()
}

/// Makes the room if the first number is 1, and says "message N" in it for each number, in one turn.
fn say(opened: &mut Opened, name: &str, numbers: std::ops::RangeInclusive<u64>) -> RoomKey {
    let known = opened.store.reader().unwrap().rooms(None, 100).unwrap();
    let name = room(name);
    let epoch = opened.store.epoch_of_new(&name);
    let mut turn = opened.writer.begin().unwrap();
    let key = match known.iter().find(|row| row.name == name) {
        Some(row) => row.key,
        None => turn.make_room(&name, epoch).unwrap(),
    };
    let ann = nick("ann");
    let (mut bytes, head) = (0, *numbers.end());
    for seq in numbers {
        let text = format!("message {seq}");
        let message = NewMessage {
            cid: Some("c"),
            identity: Some(u128::from(seq)),
            ..NewMessage::new(SessionId(7), &ann, &text)
        };
        turn.append(key, seq, 1000 + seq as i64, &message).unwrap();
        bytes += message.cost();
    }
    turn.settle(key, head, bytes).unwrap();
    turn.commit().unwrap();
    key
}

fn numbers(page: &[std::sync::Arc<crate::event::Message>]) -> Vec<u64> {
    page.iter().map(|message| message.seq).collect()
}

#[test]
fn what_was_committed_is_there_in_the_next_life_and_authors_are_strangers_then() {
    let place = Place::new();
    let mut opened = place.open();
    let key = say(&mut opened, "lobby", 1..=3);
    let reader = opened.store.reader().unwrap();
    let page = reader.page(key, Span::Latest, 2).unwrap();
    assert_eq!(numbers(&page), [2, 3]);
    assert_eq!(
        (&*page[1].text, page[1].author),
        ("message 3", SessionId(7))
    );
    assert_eq!((page[1].time_ms, page[1].cid.as_deref()), (1003, Some("c")));
    let before = reader.rooms(None, 9).unwrap();
    drop((opened, reader));

    let opened = place.open();
    assert_eq!(opened.rooms, before);
    assert_eq!(opened.anew, None, "killed in one boot: the numbers go on");
    let page = opened.store.reader().unwrap().range(key, 1..=9).unwrap();
    assert_eq!(numbers(&page), [1, 2, 3]);
    assert_eq!(page[0].author, SessionId::NOBODY);
}

#[test]
fn pages_meet_without_a_hole_from_both_ends() {
    let place = Place::new();
    let mut opened = place.open();
    let other = say(&mut opened, "garden", 1..=5);
    let key = say(&mut opened, "lobby", 1..=25);
    say(&mut opened, "yard", 1..=5);
    let reader = opened.store.reader().unwrap();
    let mut forward = Vec::new();
    loop {
        let after = Span::After(forward.last().copied().unwrap_or(0));
        let page = numbers(&reader.page(key, after, 10).unwrap());
        if page.is_empty() {
            break;
        }
        forward.extend(page);
    }
    assert_eq!(forward, (1..=25).collect::<Vec<_>>());
    let mut backward = numbers(&reader.page(key, Span::Latest, 10).unwrap());
    loop {
        let page = numbers(&reader.page(key, Span::Before(backward[0]), 10).unwrap());
        if page.is_empty() {
            break;
        }
        backward.splice(..0, page);
    }
    assert_eq!(backward, forward);
    for span in [Span::After(25), Span::After(u64::MAX), Span::Before(0)] {
        assert_eq!(reader.page(key, span, 10).unwrap().len(), 0, "{span:?}");
    }
    let all = reader
        .page(other, Span::Before(u64::MAX), usize::MAX)
        .unwrap();
    assert_eq!(all.len(), 5, "no other room's");
    reader
        .connection()
        .execute("DELETE FROM messages", [])
        .unwrap_err();
}

#[test]
fn a_turn_of_many_rooms_is_there_whole_or_not_at_all() {
    let place = Place::new();
    let mut opened = place.open();
    let lobby = say(&mut opened, "lobby", 1..=1);
    let (ann, garden) = (nick("ann"), room("garden"));
    let hello = NewMessage::new(SessionId(1), &ann, "hello");
    let mut turn = opened.writer.begin().unwrap();
    turn.append(lobby, 2, 0, &hello).unwrap();
    let key = turn.make_room(&garden, 1).unwrap();
    turn.append(key, 1, 0, &hello).unwrap();
    turn.append(key, 1, 0, &hello).unwrap_err();
    drop(turn);
    assert_eq!(opened.writer.head(lobby), Ok(Some(1)));
    assert_eq!(opened.writer.head(key), Ok(None));
    let reader = opened.store.reader().unwrap();
    assert_eq!(numbers(&reader.range(lobby, 1..=9).unwrap()), [1]);
    say(&mut opened, "lobby", 2..=2);
    assert_eq!(numbers(&reader.range(lobby, 1..=9).unwrap()), [1, 2]);
}

#[test]
fn a_topic_outlives_the_daemon_and_can_be_taken_away() {
    let place = Place::new();
    let mut opened = place.open();
    let key = say(&mut opened, "lobby", 1..=1);
    let topic = Topic {
        text: "tea at four".into(),
        nick: nick("ann"),
        time_ms: 5,
    };
    for expected in [Some(topic), None] {
        let mut turn = opened.writer.begin().unwrap();
        turn.set_topic(key, expected.as_ref()).unwrap();
        turn.commit().unwrap();
        drop(opened);
        opened = place.open();
        assert_eq!(opened.rooms[0].topic, expected);
    }
}

#[test]
fn a_second_daemon_is_kept_out_and_told_who_is_in() {
    let place = Place::new();
    let _first = place.open();
    let refused = place.try_open("one").unwrap_err();
    assert_eq!(refused.trouble, Trouble::Locked);
    let holder = format!("process {}", std::process::id());
    assert!(refused.text.contains(&holder), "{refused}");
    assert!(refused.text.contains("history.path"), "{refused}");
}

#[test]
fn nobody_else_reads_the_files() {
    let place = Place::new();
    place.written(1);
    let opened = place.open();
    let files = place.files();
    for path in [&files.database, &files.wal, &files.lock, &files.witness] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    drop(opened);
}

#[test]
fn epochs_change_exactly_when_numbers_could_come_twice() {
    let place = Place::new();
    let first = place.written(3)[0].epoch;
    let epoch = |boot: &str| {
        let opened = place.try_open(boot).unwrap();
        (opened.rooms[0].epoch, opened.anew, opened.writer)
    };
    let (killed, anew, writer) = epoch("one");
    assert_eq!((killed, anew), (first, None), "kill -9");
    writer.close().unwrap();
    let (clean, anew, writer) = epoch("two");
    assert_eq!(
        (clean, anew),
        (first, None),
        "stopped before the machine was"
    );
    drop(writer);
    let (down, anew, _) = epoch("three");
    assert_ne!(down, first);
    assert_eq!(anew, Some(Anew::PowerLoss { missing: 0 }));
    assert_eq!(epoch("three").0, down, "and stays so");
    assert_ne!(epoch("").0, down, "nobody knows which boot it is");
}

#[test]
fn the_epoch_of_a_room_without_messages_stays_over_restarts() {
    let place = Place::new();
    let name = room("lobby");
    let epoch = place.open().store.epoch_of_new(&name);
    let opened = place.open();
    assert_eq!(opened.store.epoch_of_new(&name), epoch);
    assert_ne!(opened.store.epoch_of_new(&room("garden")), epoch);
    assert_ne!(Place::new().open().store.epoch_of_new(&name), epoch);
}

#[test]
fn who_lost_turns_may_go_on_with_what_is_there_in_a_new_epoch() {
    let place = Place::new();
    place.open().writer.close().unwrap();
    place.written(300);
    fs::remove_file(place.files().wal).unwrap();
    let refused = place.try_open("one").unwrap_err();
    assert_eq!(refused.trouble, Trouble::Lost, "{refused}");
    let witness = place.files().witness;
    assert!(refused.text.contains(&format!("rm {}", witness.display())));
    fs::remove_file(witness).unwrap();
    let seed = |opened: &Opened| opened.store.epoch_of_new(&room("lobby"));
    let opened = place.open();
    assert!(opened.rooms.is_empty(), "all turns were in the log");
    let _ = seed(&opened);
}

#[test]
fn a_deleted_database_is_not_taken_for_a_new_one() {
    let place = Place::new();
    place.written(3);
    let files = place.files();
    fs::remove_file(&files.database).unwrap();
    let refused = place.try_open("one").unwrap_err();
    assert_eq!(refused.trouble, Trouble::Lost, "{refused}");
    assert!(!files.database.exists(), "nothing was made");
    fs::remove_file(&files.witness).unwrap();
    fs::remove_file(&files.wal).unwrap();
    assert!(place.open().rooms.is_empty());
}

#[test]
fn a_backup_that_is_put_back_begins_a_new_epoch() {
    let place = Place::new();
    let mut opened = place.open();
    say(&mut opened, "lobby", 1..=3);
    opened.writer.close().unwrap();
    drop(opened.store);
    let backup = place.path.with_extension("backup");
    fs::copy(&place.path, &backup).unwrap();
    let mut opened = place.open();
    say(&mut opened, "lobby", 4..=9);
    let before = opened.rooms[0].epoch;
    drop(opened);
    let files = place.files();
    fs::copy(&backup, &files.database).unwrap();
    fs::remove_file(&files.wal).unwrap();
    fs::remove_file(&files.witness).unwrap();
    let opened = place.open();
    assert_eq!(opened.anew, Some(Anew::Restored));
    assert_eq!(opened.rooms[0].head, 3);
    assert_ne!(opened.rooms[0].epoch, before);
}
