//! A room that is brought in from elsewhere, in parts. It is no room before its end.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{IDLE, over, work_id};
use crate::control::{Control, Refused, lock};
use crate::event::{SEQ_MAX, Seq, Topic};
use crate::log::Archive;
use crate::name::{NICK_CHARS, Nick, RoomName};
use crate::store::{NewMessage, RoomKey, RoomRow, SEQ_END};
use crate::wire::{TAG, escaped_len};

/// A room that is to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOrder {
    /// What it is to be called.
    pub room: String,
    /// Its oldest number.
    pub first: Seq,
    /// Its last number; `first` - 1 if it has no messages.
    pub last: Seq,
    /// What it is about.
    pub topic: Option<TopicPart>,
}

/// What a room is about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPart {
    topic: String,
    username: String,
    time: String,
}

/// Some of its messages, the next ones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportPart {
    /// Which import.
    pub id: String,
    /// The messages, in order.
    pub messages: Vec<MessagePart>,
}

/// A message as [`super::PastRow`] shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagePart {
    seq: Seq,
    time: String,
    username: String,
    message: String,
    cid: Option<String>,
}

/// The end of an import.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportEnd {
    /// Which import.
    pub id: String,
    /// It is given up: nothing of it stays.
    #[serde(default)]
    pub give_up: bool,
}

/// How an import stands.
#[derive(Clone, Debug, Serialize)]
pub struct ImportReport {
    /// What names it in the next requests.
    pub id: String,
    /// The room.
    pub room: String,
    /// The life of its numbering: a new one.
    pub epoch: String,
    /// The number that comes next.
    pub next: Seq,
}

/// An import that is under way.
#[derive(Debug)]
pub(super) struct Import {
    id: String,
    /// The connection on which it began.
    pub(super) owner: u64,
    row: RoomRow,
    next: Seq,
    archive: Archive,
    touched: Instant,
}

impl Import {
    pub(super) fn is_idle(&self) -> bool {
        self.touched.elapsed() >= IDLE
    }

    fn report(&self) -> ImportReport {
        ImportReport {
            id: self.id.clone(),
            room: self.row.name.to_string(),
            epoch: self.row.wire_epoch().to_string(),
            next: self.next,
        }
    }
}

impl Control {
    /// Begins to bring a room in. Its name is kept for it from here on.
    ///
    /// # Errors
    /// There is such a room already, another import is under way, there is no store, or the order
    /// makes no sense.
    pub async fn begin_import(
        &self,
        order: &ImportOrder,
        owner: u64,
    ) -> Result<ImportReport, Refused> {
        let keep = self.kept()?;
        let name = RoomName::new(&order.room).map_err(|why| Refused::Invalid(why.to_string()))?;
        let (first, last) = (order.first, order.last);
        if first == 0 || last > SEQ_MAX.min(SEQ_END - 1) || first > last + 1 {
            let text = format!("there are no numbers from {first} to {last}");
            return Err(Refused::Invalid(text));
        }
        let topic = order.topic.as_ref().map(topic_of).transpose()?;
        let topic = topic.filter(|topic| !topic.is_none());
        if lock(&self.0.works.import).is_some() {
            return Err(Refused::State(
                "another room is being brought in".to_owned(),
            ));
        }
        if !self.hub().reserve_room(&name, &keep) {
            let text = format!(
                "there is a room {name} already, or one that looks like it, or there are too many"
            );
            return Err(Refused::State(text));
        }
        let (Ok(id), Ok(epoch)) = (work_id(), getrandom::u64()) else {
            self.hub().release_room(&name);
            return Err(Refused::Failed(
                "the system gives no random bits".to_owned(),
            ));
        };
        let begun = self.on_disk(move || {
            let mut archive = Archive::open(&keep)?;
            let key = archive.begin_import()?;
            Ok((archive, key))
        });
        let (archive, key): (Archive, RoomKey) = match begun.await {
            Ok(begun) => begun,
            Err(refused) => {
                self.hub().release_room(&name);
                return Err(refused);
            }
        };
        let import = Import {
            id,
            owner,
            row: RoomRow {
                key,
                name,
                epoch,
                head: last,
                first,
                bytes: 0,
                turn: 0,
                topic,
            },
            next: first,
            archive,
            touched: Instant::now(),
        };
        let report = import.report();
        let earlier = lock(&self.0.works.import).replace(import);
        if let Some(earlier) = earlier {
            self.give_up(earlier);
        }
        Ok(report)
    }

    /// Brings the next messages in.
    ///
    /// # Errors
    /// The import is over, a message is not the next one or could not have been said here, or the
    /// store is in trouble. Nothing of this part was taken then, and it may come again.
    pub async fn go_on_with_import(&self, part: ImportPart) -> Result<ImportReport, Refused> {
        let mut import = self.take_import(&part.id)?;
        let limits = self.hub().limits();
        let checked = check(&part.messages, &import, limits.message, limits.line);
        let messages = match checked {
            Ok(messages) => messages,
            Err(refused) => {
                self.put_back(import);
                return Err(refused);
            }
        };
        let (import, brought) = tokio::task::spawn_blocking(move || {
            let rows = messages.iter().map(|(seq, time_ms, nick, text, cid)| {
                let message = NewMessage {
                    cid: cid.as_deref(),
                    ..NewMessage::new(crate::event::SessionId::NOBODY, nick, text)
                };
                (*seq, *time_ms, message)
            });
            let bytes: u64 = rows.clone().map(|(_, _, message)| message.cost()).sum();
            let brought = import.archive.bring(import.row.key, rows);
            if brought.is_ok() {
                import.next += messages.len() as u64;
                import.row.bytes += bytes;
            }
            (import, brought)
        })
        .await
        .map_err(|error| Refused::Failed(error.to_string()))?;
        let report = import.report();
        self.put_back(import);
        brought?;
        Ok(report)
    }

    /// Ends an import: it is a room from now on, or nothing of it stays.
    ///
    /// # Errors
    /// The import is over, messages are missing, or the store is in trouble: then it is no room.
    pub async fn end_import(&self, end: &ImportEnd) -> Result<ImportReport, Refused> {
        let import = self.take_import(&end.id)?;
        let report = import.report();
        if end.give_up {
            self.give_up(import);
            return Ok(report);
        }
        if import.next != import.row.head + 1 {
            let (next, last) = (import.next, import.row.head);
            self.put_back(import);
            let text = format!("the numbers from {next} to {last} are missing");
            return Err(Refused::State(text));
        }
        let (import, ended) = tokio::task::spawn_blocking(move || {
            let mut import = import;
            let ended = import.archive.end_import(&import.row);
            (import, ended)
        })
        .await
        .map_err(|error| Refused::Failed(error.to_string()))?;
        if let Err(error) = ended {
            self.give_up(import);
            return Err(error.into());
        }
        self.hub().adopt_room(import.row);
        Ok(report)
    }

    /// Takes the import out: nobody else goes on with it meanwhile.
    fn take_import(&self, id: &str) -> Result<Import, Refused> {
        let mut import = lock(&self.0.works.import);
        let taken = import.take_if(|import| import.id == id);
        taken.ok_or_else(|| over("import"))
    }

    fn put_back(&self, mut import: Import) {
        import.touched = Instant::now();
        *lock(&self.0.works.import) = Some(import);
    }

    pub(super) fn give_up(&self, mut import: Import) {
        self.hub().release_room(&import.row.name);
        drop(tokio::task::spawn_blocking(move || {
            let name = &import.row.name;
            match import.archive.give_up_import() {
                Ok(messages) => {
                    tracing::info!(event = "history.import_given_up", room = %name, messages);
                }
                Err(error) => tracing::warn!(event = "history.not_cleared", %error),
            }
        }));
    }
}

type Checked = (Seq, i64, Nick, String, Option<String>);

fn check(
    messages: &[MessagePart],
    import: &Import,
    longest: usize,
    line: usize,
) -> Result<Vec<Checked>, Refused> {
    let mut checked = Vec::with_capacity(messages.len());
    for (next, message) in (import.next..).zip(messages) {
        let seq = message.seq;
        let wrong = |why: &str| Refused::Invalid(format!("message {seq}: {why}"));
        if seq != next || seq > import.row.head {
            return Err(wrong(&format!("{next} is the next number")));
        }
        let text = &message.message;
        if text.is_empty() || text.len() > longest || escaped_len(text) > line {
            return Err(wrong(
                "the text is empty, or longer than limits.message allows",
            ));
        }
        if message.cid.as_ref().is_some_and(|cid| cid.len() > TAG) {
            return Err(wrong("the cid has more than 64 bytes"));
        }
        let nick = nick_of(&message.username).ok_or_else(|| wrong("the username is none"))?;
        let time_ms = time_of(&message.time).ok_or_else(|| wrong("the time is none"))?;
        checked.push((seq, time_ms, nick, text.clone(), message.cid.clone()));
    }
    Ok(checked)
}

/// A name that was good where it came from. It is shown, and nobody is let in by it.
fn nick_of(text: &str) -> Option<Nick> {
    let chars = text.chars().count();
    let is_good = (1..=NICK_CHARS).contains(&chars) && !text.chars().any(char::is_control);
    is_good.then(|| Nick::kept(text))
}

fn time_of(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_millisecond())
}

fn topic_of(part: &TopicPart) -> Result<Topic, Refused> {
    let wrong = |what: &str| Refused::Invalid(format!("topic: {what} is none"));
    Ok(Topic {
        text: part.topic.as_str().into(),
        nick: nick_of(&part.username).ok_or_else(|| wrong("the username"))?,
        time_ms: time_of(&part.time).ok_or_else(|| wrong("the time"))?,
    })
}
