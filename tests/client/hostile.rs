//! Text that was written to be obeyed by a terminal: it ends in the state in which the escaped text
//! would have left it, and nothing was asked of it.

use serde_json::{Value, json};

use crate::screen::Screen;
use crate::server::{Peer, Server, said};

/// So many texts, and the mark after them, are on the screen at once.
const AT_ONCE: usize = 5;

fn corpus() -> Vec<String> {
    let entry = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let text = |line: &str| entry(line)["text"].as_str().unwrap().to_owned();
    let corpus = include_str!("../corpus/hostile.jsonl").lines();
    let texts: Vec<String> = corpus.map(text).collect();
    assert!(texts.len() >= 300);
    texts
}

/// Alice's terminal, and who speaks to her.
struct Desk {
    _server: Server,
    peer: Peer,
    screen: Screen,
    seq: u64,
}

impl Desk {
    fn new() -> Self {
        let server = Server::start();
        let mut screen = Screen::open(server.address, &["--no-color"]);
        let peer = server.in_lobby("alice");
        screen.shows_last("lobby>");
        screen.types("half a thought");
        screen.shows_last("lobby> half a thought");
        let mut desk = Self {
            _server: server,
            peer,
            screen,
            seq: 0,
        };
        // What the shell said, which is different on each terminal, leaves the screen.
        let fill: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
        desk.hears(&fill, "the beginning");
        desk
    }

    /// Puts these texts into every field that others fill, and waits until all is shown.
    fn hears(&mut self, texts: &[String], what: &str) {
        for (n, text) in texts.iter().enumerate() {
            match n % AT_ONCE {
                0 => self.peer.says(json!({ "type": "notice", "text": text })),
                1 => self.peer.says(json!({
                    "type": "presence", "room": "lobby", "event": "quit", "username": text, "reason": "x",
                })),
                2 => self.peer.says(json!({ "type": "error", "code": "x", "text": text })),
                _ => {
                    self.seq += 1;
                    self.peer.says(said(self.seq, "bob", text));
                }
            }
        }
        self.seq += 1;
        self.peer.says(said(self.seq, "bob", what));
        self.screen.shows_row(&format!("<bob> {what}"));
        self.screen.shows_last("lobby> half a thought");
    }
}

#[test]
fn the_terminal_is_where_the_escaped_text_would_have_left_it() {
    let (mut hostile, mut escaped) = (Desk::new(), Desk::new());
    for (n, texts) in corpus().chunks(AT_ONCE).enumerate() {
        let shown: Vec<String> = texts
            .iter()
            .map(|text| chatd::escape::visible(text).into_owned())
            .collect();
        let what = format!("mark {n}");
        hostile.hears(texts, &what);
        escaped.hears(&shown, &what);
        let (state, asked) = hostile.screen.state();
        let (wanted, never) = escaped.screen.state();
        assert_eq!(hostile.screen.rows(), escaped.screen.rows(), "{texts:?}");
        assert_eq!(state, wanted, "{texts:?}");
        assert!(asked.is_empty(), "{texts:?}: {asked:?}");
        assert!(never.is_empty(), "the editor itself: {never:?}");
    }
    let bytes = String::from_utf8(hostile.screen.bytes()).unwrap();
    let raw = |c: char| matches!(c, '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!bytes.contains(raw));
}
