//! Plays: what the server says and the user types, and what comes of it. No socket, no clock.

use super::*;
use crate::client::wire::Labelled;

/// One user and a server whose lines the test writes.
struct Play {
    conversation: Conversation,
}

impl Play {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            username: Some("alice".into()),
            username_is_guess: false,
            rooms: vec![],
            caps: vec!["presence".into()],
            unattended: false,
            cid_prefix: "x".into(),
        };
        change(&mut settings);
        Self {
            conversation: Conversation::new(settings),
        }
    }

    /// Alice, welcomed and in the lobby at number 10.
    fn in_lobby() -> Self {
        let mut play = Self::new(|_| {});
        play.connect();
        play.hears(WELCOME);
        play.hears(LOBBY);
        play
    }

    fn connect(&mut self) -> Vec<String> {
        self.conversation.connected();
        self.happened()
    }

    fn hears(&mut self, line: &str) -> Vec<String> {
        self.conversation.heard(Event::parse(line).unwrap());
        self.happened()
    }

    fn hears_in(&mut self, room: &str, seq: u64, text: &str) -> Vec<String> {
        self.hears(&said(room, seq, text, None))
    }

    fn types(&mut self, line: &str) -> Vec<String> {
        self.conversation.command(Command::parse(line).unwrap());
        self.happened()
    }

    fn is_cut_off(&mut self) -> Vec<String> {
        self.conversation.lost("the connection was closed");
        self.happened()
    }

    fn happened(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.conversation.next_action())
            .map(|action| match action {
                Action::Send { request, label } => {
                    let line = Labelled {
                        request: &request,
                        label: label.as_deref(),
                    };
                    serde_json::to_string(&line).unwrap()
                }
                Action::Show(item) => format!("{item:?}"),
                Action::Retry { cause, after } => format!("retry {after:?}: {cause}"),
                Action::End(ending) => format!("{:?} {:?}", ending.exit, ending.text),
            })
            .collect()
    }
}

const WELCOME: &str = r#"{"type":"welcome","username":"alice","resume":"secret"}"#;
const LOBBY: &str =
    r#"{"type":"joined","room":"lobby","epoch":"e1","seq":10,"first":1,"label":"hello"}"#;

fn said(room: &str, seq: u64, text: &str, cid: Option<&str>) -> String {
    serde_json::json!({
        "type": "message", "room": room, "seq": seq, "time": "", "username": "bob",
        "message": text, "cid": cid,
    })
    .to_string()
}

fn joined(room: &str, epoch: &str, first: u64, seq: u64, label: &str) -> String {
    serde_json::json!({
        "type": "joined", "room": room, "epoch": epoch, "seq": seq, "first": first, "label": label,
    })
    .to_string()
}

fn shown(text: &str) -> String {
    format!(r#"Said {{ room: None, username: "bob", text: "{text}" }}"#)
}

const NOTHING: [&str; 0] = [];

#[test]
fn greets_and_enters_the_default_room() {
    let mut play = Play::new(|_| {});
    let hello = play.connect().remove(0);
    assert!(hello.starts_with(
        r#"{"type":"hello","version":1,"username":"alice","caps":["presence"],"join":true,"client":"chat-client/"#
    ));
    assert_eq!(play.hears(&said("lobby", 3, "too early", None)), NOTHING);
    assert_eq!(play.hears(WELCOME), [r#"Status("connected as alice")"#]);
    assert!(
        !play.conversation.is_settled(),
        "the prompt waits for the room"
    );
    play.hears(LOBBY);
    assert!(play.conversation.is_settled());
    assert_eq!(play.conversation.prompt(), "lobby> ");
    assert_eq!(play.hears_in("lobby", 11, "hi"), [shown("hi")]);
}

#[test]
fn a_default_room_without_a_label_is_the_default_room() {
    let mut play = Play::new(|_| {});
    play.connect();
    play.hears(WELCOME);
    play.hears(&LOBBY.replace(r#","label":"hello""#, ""));
    assert!(play.conversation.is_settled());
    assert_eq!(play.types("hi").len(), 1);
    play.is_cut_off();
    assert!(play.connect()[0].contains(r#""join":false"#));
}

#[test]
fn asks_for_its_own_rooms_and_not_for_the_default_room() {
    let mut play = Play::new(|settings| settings.rooms = vec!["dev".into(), "ops".into()]);
    assert!(play.connect()[0].contains(r#""join":false"#));
    let asked = play.hears(WELCOME);
    assert_eq!(asked[1], r#"{"type":"join","room":"dev","label":"1"}"#);
    assert_eq!(asked[2], r#"{"type":"join","room":"ops","label":"2"}"#);
    play.hears(&joined("dev", "e", 1, 0, "1"));
    play.hears(&joined("ops", "e", 1, 0, "2"));
    assert_eq!(play.conversation.prompt(), "dev> ");
    assert!(play.hears_in("ops", 1, "hi")[0].contains(r#"room: Some("ops")"#));
}

#[test]
fn a_reconnect_shows_nothing_twice_and_goes_on_where_it_was() {
    let mut play = Play::in_lobby();
    play.hears_in("lobby", 11, "one");
    play.hears_in("lobby", 12, "two");
    assert_eq!(play.is_cut_off(), ["retry None: the connection was closed"]);

    let hello = play.connect().remove(0);
    assert!(
        hello.contains(r#""join":false,"resume":"secret""#),
        "{hello}"
    );
    let asked = play.hears(WELCOME);
    assert_eq!(
        asked[1],
        r#"{"type":"join","room":"lobby","since":{"epoch":"e1","seq":12},"label":"1"}"#
    );
    assert_eq!(
        play.hears(&joined("lobby", "e1", 1, 14, "1")),
        NOTHING,
        "no second entering"
    );
    assert_eq!(
        play.hears_in("lobby", 12, "two"),
        NOTHING,
        "a server that repeats itself"
    );
    assert_eq!(play.hears_in("lobby", 13, "three"), [shown("three")]);
    assert_eq!(play.hears_in("lobby", 14, "four"), [shown("four")]);
}

#[test]
fn a_gap_is_shown_once_and_moves_the_cursor() {
    let mut play = Play::in_lobby();
    let gap = r#"{"type":"gap","room":"lobby","epoch":"e1","from":11,"to":47,"count":37,"reason":"slow_consumer","recoverable":false}"#;
    assert_eq!(
        play.hears(gap),
        [r#"Gap { room: "lobby", count: Some(37), reason: "slow_consumer" }"#]
    );
    assert_eq!(play.hears(gap), NOTHING, "no news");
    assert_eq!(play.hears_in("lobby", 47, "skipped"), NOTHING);
    assert_eq!(play.hears_in("lobby", 48, "hi"), [shown("hi")]);
}

#[test]
fn numbers_that_no_gap_has_named_are_named_here() {
    let mut play = Play::in_lobby();
    let both = play.hears_in("lobby", 14, "hi");
    assert_eq!(
        both[0],
        r#"Gap { room: "lobby", count: Some(3), reason: "unannounced" }"#
    );
    assert_eq!(both[1], shown("hi"));
}

#[test]
fn after_an_epoch_change_the_new_numbering_is_heard_from_its_start() {
    let mut play = Play::in_lobby();
    play.is_cut_off();
    play.connect();
    play.hears(WELCOME);
    assert_eq!(play.hears(&joined("lobby", "e2", 1, 2, "1")), NOTHING);
    let gap = r#"{"type":"gap","room":"lobby","epoch":"e2","reason":"epoch_changed","recoverable":false}"#;
    assert_eq!(
        play.hears(gap),
        [r#"Gap { room: "lobby", count: None, reason: "epoch_changed" }"#]
    );
    assert_eq!(play.hears_in("lobby", 1, "new"), [shown("new")]);
    assert_eq!(play.hears_in("lobby", 2, "world"), [shown("world")]);
    play.is_cut_off();
    play.connect();
    assert!(play.hears(WELCOME)[1].contains(r#""since":{"epoch":"e2","seq":2}"#));
}

#[test]
fn a_number_beyond_the_head_begins_anew_too() {
    let mut play = Play::in_lobby();
    play.is_cut_off();
    play.connect();
    play.hears(WELCOME);
    play.types("waiting");
    assert_eq!(
        play.hears(&joined("lobby", "e1", 3, 4, "1")),
        NOTHING,
        "not caught up: 3 and 4 come"
    );
    let gap = r#"{"type":"gap","room":"lobby","epoch":"e1","reason":"epoch_changed"}"#;
    assert_eq!(play.hears(gap).len(), 1);
    assert_eq!(play.hears_in("lobby", 3, "three"), [shown("three")]);
    let last = play.hears_in("lobby", 4, "four");
    assert_eq!(last[0], shown("four"));
    assert!(last[1].contains("waiting"), "caught up: now it is said");
}

#[test]
fn says_and_is_answered() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.types("hi"),
        [r#"{"type":"message","room":"lobby","message":"hi","cid":"x-1"}"#]
    );
    assert_eq!(play.conversation.unanswered(), 1);
    assert_eq!(
        play.hears(&said("lobby", 11, "hi", Some("x-1"))),
        NOTHING,
        "seen as typed"
    );
    assert_eq!(
        play.conversation.unanswered(),
        1,
        "only an answer is an answer"
    );
    play.hears(r#"{"type":"ack","cid":"x-1","room":"lobby","epoch":"e1","seq":11}"#);
    assert_eq!(play.conversation.unanswered(), 0);
    assert_eq!(
        play.hears(&said("lobby", 12, "not hers", Some("x-1"))),
        [shown("not hers")],
        "a copied cid hides nothing"
    );
}

#[test]
fn a_lost_ack_leads_to_a_retry_with_the_same_cid_in_the_same_order() {
    let mut play = Play::in_lobby();
    for text in ["one", "two", "three"] {
        play.types(text);
    }
    play.hears(r#"{"type":"ack","cid":"x-2","room":"lobby","epoch":"e1","seq":12}"#);
    play.is_cut_off();
    play.types("four");
    play.connect();
    play.hears(WELCOME);
    let sent = play.hears(&joined("lobby", "e1", 1, 10, "1"));
    assert_eq!(
        sent,
        [("one", 1), ("three", 3), ("four", 4)].map(|(text, number)| format!(
            r#"{{"type":"message","room":"lobby","message":"{text}","cid":"x-{number}"}}"#
        ))
    );
    play.hears(
        r#"{"type":"ack","cid":"x-1","room":"lobby","epoch":"e1","seq":11,"duplicate":true}"#,
    );
    assert_eq!(play.conversation.unanswered(), 2);
}

#[test]
fn an_own_message_heard_while_catching_up_is_not_said_again() {
    let mut play = Play::in_lobby();
    play.types("one");
    play.types("two");
    play.is_cut_off();
    play.connect();
    play.hears(WELCOME);
    assert_eq!(
        play.hears(&joined("lobby", "e1", 1, 12, "1")),
        NOTHING,
        "first it catches up"
    );
    assert_eq!(play.hears(&said("lobby", 11, "one", Some("x-1"))), NOTHING);
    let then = play.hears_in("lobby", 12, "hi");
    assert_eq!(then[0], shown("hi"));
    assert_eq!(
        then[1],
        r#"{"type":"message","room":"lobby","message":"two","cid":"x-2"}"#
    );
    assert_eq!(then.len(), 2);
}

#[test]
fn no_more_is_in_flight_than_the_server_allows() {
    let mut play = Play::new(|settings| settings.unattended = true);
    play.connect();
    assert!(
        !play.conversation.wants_input(),
        "the limits are not known yet"
    );
    play.hears(r#"{"type":"welcome","username":"alice","limits":{"unacked":2}}"#);
    play.hears(LOBBY);
    for text in ["one", "two"] {
        assert!(play.conversation.wants_input());
        play.conversation.say(None, text.into()).unwrap();
    }
    assert!(!play.conversation.wants_input());
    play.conversation.finish(None);
    assert_eq!(play.happened().len(), 2, "no quit before the answers");
    play.hears(r#"{"type":"ack","cid":"x-1"}"#);
    let end = play.hears(r#"{"type":"ack","cid":"x-2"}"#);
    assert_eq!(end, [r#"{"type":"quit"}"#]);
    assert_eq!(play.is_cut_off(), ["Done None"]);
}

#[test]
fn a_refused_message_is_named_and_counted() {
    let mut play = Play::in_lobby();
    play.types("hi");
    let error =
        r#"{"type":"error","code":"store_unavailable","text":"the disk is full","cid":"x-1"}"#;
    assert_eq!(
        play.hears(error),
        [r#"Failure { said: Some("hi"), text: "the disk is full" }"#]
    );
    assert_eq!(
        (play.conversation.unanswered(), play.conversation.failures()),
        (0, 1)
    );
}

#[test]
fn what_a_draining_server_does_not_take_is_said_to_the_next() {
    let mut play = Play::in_lobby();
    play.types("hi");
    assert_eq!(
        play.hears(r#"{"type":"error","code":"draining","text":"no","cid":"x-1"}"#),
        NOTHING
    );
    let bye = r#"{"type":"bye","code":"server_shutdown","text":"stopping","reconnect":true,"retry_after_ms":250}"#;
    assert_eq!(play.hears(bye), ["retry Some(250ms): stopping"]);
    play.connect();
    play.hears(WELCOME);
    assert!(play.hears(&joined("lobby", "e1", 1, 10, "1"))[0].contains(r#""cid":"x-1""#));
}

#[test]
fn what_can_never_be_said_is_refused_here() {
    let mut play = Play::new(|settings| settings.unattended = true);
    play.connect();
    play.hears(r#"{"type":"welcome","username":"alice","limits":{"message":10,"line":70}}"#);
    play.hears(LOBBY);
    let conversation = &mut play.conversation;
    assert!(conversation.say(None, String::new()).is_err());
    assert!(
        conversation
            .say(None, "elevenchars".into())
            .unwrap_err()
            .contains("11 bytes")
    );
    assert!(
        conversation
            .say(None, "\u{1}\u{1}\u{1}\u{1}\u{1}".into())
            .unwrap_err()
            .contains("line")
    );
    assert_eq!(conversation.failures(), 3);
    assert!(conversation.say(None, "tenletters".into()).is_ok());
}

#[test]
fn a_nick_that_is_taken_is_the_end_if_it_was_asked_for() {
    let mut play = Play::new(|_| {});
    play.connect();
    let end = play.hears(r#"{"type":"error","code":"nick_in_use","text":"somebody has it"}"#);
    assert_eq!(end, [r#"Refused Some("alice: somebody has it")"#]);
}

#[test]
fn a_nick_that_was_only_guessed_gives_way_to_a_guests() {
    let mut play = Play::new(|settings| settings.username_is_guess = true);
    play.connect();
    let again = play.hears(r#"{"type":"error","code":"nick_in_use","text":"somebody has it"}"#);
    assert!(
        again[0].starts_with(r#"{"type":"hello","version":1,"caps""#),
        "{again:?}"
    );
    assert_eq!(again.len(), 1);
    play.hears(r#"{"type":"welcome","username":"guest-7"}"#);
    assert_eq!(play.conversation.username(), Some("guest-7"));
}

#[test]
fn a_nick_that_was_taken_meanwhile_is_told_and_given_up_by_a_person() {
    let mut play = Play::in_lobby();
    play.is_cut_off();
    play.connect();
    let again = play.hears(r#"{"type":"error","code":"nick_in_use","text":"somebody has it"}"#);
    assert!(again[0].contains("alice: somebody has it; /nick NAME takes another"));
    assert!(again[1].starts_with(r#"{"type":"hello","version":1,"caps""#));
    assert!(again[1].contains(r#""resume":"secret""#));
}

#[test]
fn a_nick_that_was_taken_meanwhile_is_the_end_for_a_script() {
    let mut play = Play::new(|settings| settings.unattended = true);
    play.connect();
    play.hears(WELCOME);
    play.is_cut_off();
    play.connect();
    let end = play.hears(r#"{"type":"error","code":"nick_in_use","text":"somebody has it"}"#);
    assert_eq!(end, [r#"Refused Some("alice: somebody has it")"#]);
}

#[test]
fn a_new_nick_is_the_one_to_come_back_with() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.types("/nick carol"),
        [r#"{"type":"nick","username":"carol","label":"1"}"#]
    );
    let change = r#"{"type":"presence","room":"lobby","event":"nick","username":"alice","new_username":"carol"}"#;
    assert_eq!(play.hears(change), [r#"Status("you are now carol")"#]);
    assert_eq!(
        play.hears(&change.replace("lobby", "dev")),
        NOTHING,
        "the same in another room"
    );
    play.is_cut_off();
    assert!(play.connect()[0].contains(r#""username":"carol""#));
}

#[test]
fn the_answer_to_a_new_nick_may_come_before_the_rooms_hear_of_it() {
    let mut play = Play::in_lobby();
    play.types("/nick carol");
    let answer = r#"{"type":"nick","username":"carol","label":"1"}"#;
    assert_eq!(play.hears(answer), [r#"Status("you are now carol")"#]);
    let change = r#"{"type":"presence","room":"lobby","event":"nick","username":"alice","new_username":"carol"}"#;
    assert_eq!(play.hears(change), NOTHING);
}

#[test]
fn joining_moves_and_parting_moves_back() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.types("/join dev"),
        [r#"{"type":"join","room":"dev","label":"1"}"#]
    );
    assert!(!play.conversation.is_settled());
    play.hears(&joined("dev", "e", 1, 0, "1"));
    assert_eq!(play.conversation.prompt(), "dev> ");
    assert_eq!(play.types("/join lobby"), NOTHING, "already there");
    assert_eq!(play.conversation.prompt(), "lobby> ");
    play.types("/join DEV");
    assert_eq!(
        play.types("/part"),
        [r#"{"type":"part","room":"dev","label":"2"}"#]
    );
    assert_eq!(
        play.hears(r#"{"type":"parted","room":"dev","label":"2"}"#),
        [r#"Parted { room: "dev" }"#]
    );
    assert_eq!(play.conversation.prompt(), "lobby> ");
}

#[test]
fn a_room_that_is_refused_is_not_asked_for_again() {
    let mut play = Play::in_lobby();
    play.types("/join a/b");
    let error = r#"{"type":"error","code":"room_invalid","text":"no slashes","label":"1"}"#;
    assert!(play.hears(error)[0].contains("a/b: no slashes"));
    assert!(play.conversation.is_settled());
    assert_eq!(play.types("hi").len(), 1, "the lobby goes on");
    play.is_cut_off();
    play.connect();
    assert_eq!(
        play.hears(WELCOME)
            .iter()
            .filter(|line| line.contains("join"))
            .count(),
        1
    );
}

#[test]
fn a_refused_room_is_the_end_for_a_script() {
    let mut play = Play::new(|settings| {
        settings.unattended = true;
        settings.rooms = vec!["a/b".into()];
    });
    play.connect();
    play.hears(WELCOME);
    let error = r#"{"type":"error","code":"room_invalid","text":"no slashes","label":"1"}"#;
    assert_eq!(play.hears(error), [r#"Refused Some("a/b: no slashes")"#]);
}

#[test]
fn private_messages_go_and_come() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.types("/msg bob psst"),
        [r#"{"type":"message","to":"bob","message":"psst","cid":"x-1"}"#]
    );
    let error =
        r#"{"type":"error","code":"no_such_nick","text":"nobody is called bob","cid":"x-1"}"#;
    assert_eq!(
        play.hears(error),
        [r#"Failure { said: Some("psst"), text: "nobody is called bob" }"#]
    );
    let private = r#"{"type":"message","to":"alice","time":"","username":"bob","message":"hi"}"#;
    assert_eq!(
        play.hears(private),
        [r#"Private { username: "bob", text: "hi" }"#]
    );
}

#[test]
fn lists_come_in_pages() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.types("/names"),
        [r#"{"type":"names","room":"lobby","label":"1"}"#]
    );
    let page =
        r#"{"type":"names","room":"lobby","members":["alice","bob"],"more":true,"label":"1"}"#;
    let next = play.hears(page);
    assert_eq!(
        next[0],
        r#"Names { room: "lobby", members: ["alice", "bob"] }"#
    );
    assert_eq!(
        next[1],
        r#"{"type":"names","room":"lobby","after":"bob","label":"2"}"#
    );
    let last = r#"{"type":"names","room":"lobby","members":["carol"],"more":false,"label":"2"}"#;
    assert_eq!(play.hears(last).len(), 1);
    let reset = r#"{"type":"names","room":"lobby","members":["x"],"more":false,"reset":true}"#;
    assert_eq!(play.hears(reset), NOTHING);
}

#[test]
fn answers_a_ping() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.hears(r#"{"type":"ping","token":"t"}"#),
        [r#"{"type":"pong","token":"t"}"#]
    );
}

#[test]
fn every_bye_has_its_ending() {
    for (code, reconnect, ending) in [
        ("kicked", false, r#"Lost Some("words")"#),
        ("banned", false, r#"Refused Some("words")"#),
        ("replaced", false, r#"Lost Some("words")"#),
        ("slow_consumer", true, "retry None: words"),
    ] {
        let mut play = Play::in_lobby();
        let bye =
            format!(r#"{{"type":"bye","code":"{code}","text":"words","reconnect":{reconnect}}}"#);
        assert_eq!(play.hears(&bye), [ending], "{code}");
    }
}

#[test]
fn quitting_waits_for_answers_unless_it_is_urgent() {
    let mut play = Play::in_lobby();
    play.types("hi");
    assert_eq!(play.types("/quit bye all"), NOTHING);
    assert_eq!(
        play.hears(r#"{"type":"ack","cid":"x-1"}"#),
        [r#"{"type":"quit","reason":"bye all"}"#]
    );
    assert_eq!(play.is_cut_off(), ["Done None"]);

    let mut play = Play::in_lobby();
    play.types("hi");
    play.types("/quit");
    play.conversation.leave();
    assert_eq!(play.happened(), [r#"{"type":"quit"}"#]);
}

#[test]
fn quitting_without_a_connection_says_what_was_not_said() {
    let mut play = Play::in_lobby();
    play.is_cut_off();
    play.types("hi");
    assert_eq!(
        play.types("/quit"),
        [r#"Done Some("messages of yours that were not sent: 1")"#]
    );
}

#[test]
fn who_wants_to_leave_does_not_come_back() {
    let mut play = Play::in_lobby();
    play.types("hi");
    play.types("/quit");
    assert_eq!(
        play.is_cut_off(),
        [r#"Done Some("messages of yours that were not sent: 1")"#]
    );
}

#[test]
fn a_server_that_never_says_welcome_is_named_as_such() {
    let mut play = Play::new(|_| {});
    play.connect();
    let end = play.is_cut_off();
    assert!(
        end[0].starts_with("Lost") && end[0].contains("--basic"),
        "{end:?}"
    );
}

#[test]
fn a_page_of_history_is_shown_apart_and_moves_nothing() {
    let mut play = Play::in_lobby();
    let asked = play.types("/history 2");
    assert_eq!(
        asked,
        [r#"{"type":"history","room":"lobby","limit":2,"label":"1"}"#]
    );
    let past = r#"{"type":"message","label":"1","room":"lobby","seq":9,"time":"T","username":"bob","message":"old"}"#;
    let shown = play.hears(past);
    assert!(
        shown.len() == 1 && shown[0].starts_with("Past"),
        "{shown:?}"
    );
    let live = play.hears_in("lobby", 11, "new");
    assert!(live.len() == 1 && live[0].starts_with("Said"), "{live:?}");
    let end = play.hears(
        r#"{"type":"history","label":"1","room":"lobby","epoch":"e1","first":9,"last":9,"more":true}"#,
    );
    assert_eq!(end, [r#"PastEnd { room: "lobby", count: 1, more: true }"#]);
    assert_eq!(play.hears(past), [""; 0], "nobody asked for this one");
}

#[test]
fn a_topic_is_asked_for_and_set_in_the_current_room() {
    let mut play = Play::in_lobby();
    assert_eq!(
        play.types("/topic tea"),
        [r#"{"type":"topic","room":"lobby","topic":"tea","label":"1"}"#]
    );
    let shown = play.hears(r#"{"type":"topic","label":"1","room":"lobby","topic":"tea","username":"alice","time":"T"}"#);
    assert!(
        shown.len() == 1 && shown[0].starts_with("Topic"),
        "{shown:?}"
    );
    assert_eq!(
        play.types("/topic"),
        [r#"{"type":"topic","room":"lobby","label":"2"}"#]
    );
}
