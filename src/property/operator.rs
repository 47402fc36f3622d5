//! The operator's port.

use std::sync::Arc;
use std::time::Duration;

use super::json::Tree;
use crate::admin::{Door, Token};
use crate::config::{Config, Loaded, Sources};
use crate::control::{Control, LogSwitch, Parts, RequestResult};
use crate::hub::Hub;
use crate::limits::Limits;
use crate::name::RoomName;
use crate::phase::Phase;
use crate::rpc::{LONGEST_ANSWER, LONGEST_REQUEST};
use crate::spares::Spares;

const TOKEN: &str = "a token that nobody guesses, not even by the coverage of its comparison";

/// Who does not know the token hears at most one refusal, and nothing is carried out. Who does gets
/// exactly one answer to each line, in order, each an object with a result or an error, until they
/// only listen.
pub fn operator(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        stranger(input).await;
        friend(input).await;
    });
}

async fn stranger(input: &[u8]) {
    let (said, control) = converse(input).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() <= 1, "{said}");
    if input.first() != Some(&b'{') {
        assert_eq!(said, "", "another protocol is not answered");
    }
    for line in lines {
        assert!(Tree::of_daemon(line).has("error"), "{line}");
    }
    let done = control.tally().requests();
    let mut done = done
        .iter()
        .filter(|(_, result, _)| *result == RequestResult::Ok);
    assert!(done.all(|(_, _, count)| *count == 0), "it was carried out");
    assert_eq!(control.hub().phase(), Phase::Ready);
}

async fn friend(input: &[u8]) {
    let auth = format!(
        r#"{{"jsonrpc":"2.0","id":"door","method":"auth","params":{{"token":"{TOKEN}"}}}}"#
    );
    let (said, _) = converse(&[auth.as_bytes(), b"\n", input].concat()).await;
    let mut answers = said.lines();
    let admitted = Tree::of_daemon(answers.next().expect("an answer"));
    assert!(admitted.has("result"), "{said}");
    let mut asked: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    // What follows the last line end is no request, unless it is too long for one.
    if asked
        .last()
        .is_some_and(|rest| rest.len() <= LONGEST_REQUEST + 1)
    {
        asked.pop();
    }
    for line in asked {
        let answer = answers
            .next()
            .unwrap_or_else(|| panic!("no answer to {line:?}"));
        is_answer(answer, line);
        if answer.contains(r#""result":{"streaming":true}"#) {
            // From here on nothing is asked any more, and what follows is no answer.
            return;
        }
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        if length > LONGEST_REQUEST {
            break;
        }
    }
    assert_eq!(answers.next(), None, "an answer to nothing");
}

fn is_answer(answer: &str, line: &[u8]) {
    assert!(answer.len() <= LONGEST_ANSWER);
    let answer = Tree::of_daemon(answer);
    assert_eq!(answer.text("jsonrpc"), Some("2.0"));
    assert_ne!(answer.has("result"), answer.has("error"));
    if answer.has("result") {
        let asked = Tree::read(line).expect("what is carried out is JSON");
        assert_eq!(answer.text("id"), asked.text("id"));
        assert_eq!(answer.number("id"), asked.number("id"));
    }
}

/// What the port says to these bytes, and what it did.
async fn converse(input: &[u8]) -> (String, Control) {
    let control = control();
    let door = Door::new(Token::of_text(TOKEN), control.clone());
    let peer = ([127, 0, 0, 1], 9).into();
    let mut said = Vec::new();
    let talk = door.converse(input, &mut said, peer);
    let ended = tokio::time::timeout(Duration::from_secs(3600), talk).await;
    assert!(ended.is_ok(), "it does not end");
    (String::from_utf8(said).expect("answers are UTF-8"), control)
}

/// A daemon without lanes and doors.
fn control() -> Control {
    let lobby = RoomName::new("lobby").expect("a name");
    let hub = Hub::new("chatd", Limits::default(), lobby, || 1_700_000_000_000);
    hub.open_default_room().expect("room for one room");
    hub.set_phase(Phase::Ready);
    Control::new(Parts {
        hub,
        loaded: Loaded::default(),
        sources: Sources::default(),
        fit_limits: Box::new(|_| Ok(Config::default().limits)),
        log: LogSwitch {
            set_level: Box::new(|_| Ok(())),
            set_addresses: Box::new(|_| ()),
            feed: Arc::default(),
            dropped: Box::new(|| 0),
        },
        bans: None,
        readers: 4,
        spares: Spares::default(),
        search: None,
        memory_limit: None,
        reload_told: Box::new(|_| ()),
    })
}
