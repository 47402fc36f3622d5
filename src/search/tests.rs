//! A store, its follower, and what is found.

use std::path::PathBuf;

use super::follower::{Progress, round};
use super::index::{Index, beside};
use super::*;
use crate::event::{Durability, SessionId};
use crate::name::{Nick, RoomName};
use crate::store::{NewMessage, Opened, RoomKey, Store, Writer};

struct Stage {
    _folder: tempfile::TempDir,
    path: PathBuf,
    store: Store,
    writer: Writer,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let Opened { store, writer, .. } = Store::open(&path, Durability::Process).unwrap();
        Self {
            _folder: folder,
            path,
            store,
            writer,
        }
    }

    fn says(&mut self, room: &str, texts: &[String]) {
        let (name, nick) = (RoomName::new(room).unwrap(), Nick::new("ann").unwrap());
        let known = self.find_room(room);
        let mut turn = self.writer.begin().unwrap();
        let key = match &known {
            Some(row) => row.key,
            None => turn.make_room(&name, 7).unwrap(),
        };
        let mut head = known.map_or(0, |row| row.head);
        for text in texts {
            head += 1;
            let message = NewMessage::new(SessionId(7), &nick, text);
            turn.append(key, head, 1, &message).unwrap();
        }
        turn.settle(key, head, 1).unwrap();
        turn.commit().unwrap();
    }

    fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn find_room(&self, room: &str) -> Option<RoomRow> {
        let rooms = self.store.reader().unwrap().rooms(None, 100).unwrap();
        rooms.into_iter().find(|row| row.name.as_str() == room)
    }

    fn search(&self) -> Search {
        Search {
            path: beside(&self.path),
            progress: Arc::default(),
        }
    }

    /// Rounds until nothing is left to do.
    fn follow(&self) -> u64 {
        let progress = Progress::default();
        let mut index = Index::open(&beside(&self.path)).unwrap();
        let reader = self.store.reader().unwrap();
        while round(&mut index, &reader, &progress).unwrap() {}
        progress.indexed()
    }

    fn find(&self, room: &str, words: &str) -> (Vec<Seq>, Seq) {
        let (reader, row) = (self.store.reader().unwrap(), self.find_room(room).unwrap());
        let words = Words::parse(words).unwrap();
        let found = self
            .search()
            .find(&reader, &row, &words, None, 100)
            .unwrap();
        let numbers = found.messages.iter().map(|message| message.seq);
        (numbers.collect(), found.complete_to)
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn words_are_found_in_their_room_the_newest_first() {
    let mut stage = Stage::new();
    stage.says(
        "den",
        &texts(&["Tea at five", "no", "TÉA again, five times"]),
    );
    stage.says("cave", &texts(&["tea in the cave"]));
    assert_eq!(stage.follow(), 4);
    assert_eq!(stage.find("den", "tea five"), (vec![3, 1], 3));
    assert_eq!(stage.find("den", "\"at five\""), (vec![1], 3));
    assert_eq!(stage.find("den", "fi*"), (vec![3, 1], 3));
    assert_eq!(stage.find("cave", "tea"), (vec![1], 1));
    assert_eq!(stage.find("cave", "five"), (vec![], 1));
}

#[test]
fn it_says_up_to_which_number_it_is_complete_and_goes_on_after_a_restart() {
    let mut stage = Stage::new();
    let many: Vec<String> = (1..=600).map(|n| format!("word{n} common")).collect();
    stage.says("den", &many);
    let (progress, reader) = (Progress::default(), stage.store.reader().unwrap());
    let mut index = Index::open(&beside(&stage.path)).unwrap();
    assert!(round(&mut index, &reader, &progress).unwrap());
    drop(index);
    assert_eq!(stage.find("den", "common").1, 256);
    assert_eq!(stage.find("den", "word300"), (vec![], 256));
    assert_eq!(progress.lag(), 344);
    assert_eq!(stage.follow(), 344, "nothing is read twice");
    assert_eq!(stage.find("den", "word300"), (vec![300], 600));
}

#[test]
fn what_retention_took_is_not_found_and_leaves_the_index() {
    let mut stage = Stage::new();
    let many: Vec<String> = (1..=3000).map(|_| "common".to_owned()).collect();
    stage.says("den", &many);
    stage.follow();
    let key = stage.find_room("den").unwrap().key;
    stage.sql("UPDATE rooms SET first = 2990; DELETE FROM messages WHERE id & 0xffffffffff < 2990");
    assert_eq!(stage.find("den", "common").0.len(), 11);
    assert_eq!(count(&stage, key), 101, "still in the index, and hidden");
    stage.follow();
    assert_eq!(count(&stage, key), 11);
    stage.says("den", &texts(&["common"]));
    stage.follow();
    assert_eq!(count(&stage, key), 12);
}

/// Up to 101 of the numbers that the index has of `common`, gone ones included.
fn count(stage: &Stage, room: RoomKey) -> usize {
    let index = Index::look(&beside(&stage.path)).unwrap();
    let words = Words::parse("common").unwrap();
    let found = index.find(&words, room.messages(1..=5000), 101).unwrap();
    found.len()
}

#[test]
fn a_room_that_is_gone_leaves_the_index() {
    let mut stage = Stage::new();
    stage.says("den", &texts(&["common", "common"]));
    stage.follow();
    let key = stage.find_room("den").unwrap().key;
    assert_eq!(count(&stage, key), 2);
    stage.sql("DELETE FROM rooms");
    stage.follow();
    assert_eq!(count(&stage, key), 0);
}

#[test]
fn another_epoch_means_other_messages() {
    let mut stage = Stage::new();
    stage.says("den", &texts(&["old tea", "more"]));
    stage.follow();
    stage.sql("UPDATE rooms SET epoch = 8");
    assert_eq!(stage.find("den", "tea"), (vec![], 0));
    stage.follow();
    assert_eq!(stage.find("den", "tea"), (vec![1], 2));
}

#[test]
fn a_damaged_index_is_made_anew() {
    let mut stage = Stage::new();
    stage.says("den", &texts(&["tea"]));
    stage.follow();
    std::fs::write(beside(&stage.path), "no database").unwrap();
    assert_eq!(stage.follow(), 1);
    assert_eq!(stage.find("den", "tea"), (vec![1], 1));
}

#[test]
fn the_thread_follows_by_itself_and_ends_when_it_is_let_go() {
    let mut stage = Stage::new();
    let reader = stage.store.reader().unwrap();
    let (search, follower) = Search::follow(&stage.path, reader).unwrap();
    stage.says("den", &texts(&["tea"]));
    let row = stage.find_room("den").unwrap();
    let (reader, words) = (stage.store.reader().unwrap(), Words::parse("tea").unwrap());
    let begin = tokio::time::Instant::now();
    while search.indexed() == 0 {
        assert!(begin.elapsed().as_secs() < 60, "{:?}", search.trouble());
        std::thread::yield_now();
    }
    let found = search.find(&reader, &row, &words, None, 1).unwrap();
    assert_eq!((found.messages.len(), found.complete_to), (1, 1));
    drop(follower);
    assert!(search.trouble().is_none());
}
