//! The properties on everything that the fuzzers found worth keeping, and on what is made of words
//! that mean something: sentences that are nearly right, and soups that are not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;

use super::*;

/// Every property, with the name of its fuzz target.
type Property = (&'static str, fn(&[u8]));

const PROPERTIES: &[Property] = &[
    ("framer", framer),
    ("opening", opening),
    ("codec", codec),
    ("session", session),
    ("settings", settings),
    ("operator", operator),
];

type Words = &'static [&'static [u8]];

const BYTES: Words = &[
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"x",
    b"xx",
    b"xxxx",
    b"xxxxxxxx",
    b"\xff\xf4",
    b"\xff\xfd\x06",
    b"\xff\xfa",
    b"\xff\xf0",
    b"\xff",
];
const FIELDS: Words = &[
    b"\"type\":\"hello\"",
    b"\"type\":\"message\"",
    b"\"type\":\"join\"",
    b"\"type\":\"ping\"",
    b"\"type\":\"names\"",
    b"\"version\":1",
    b"\"username\":\"alice\"",
    b"\"message\":\"hi\"",
    b"\"message\":\"\\u001b[2J\\u202e\"",
    b"\"message\":\"\xe2\x80\xae\xc2\x9b\xf0\x9f\xa6\x80\"",
    b"\"room\":\"lobby\"",
    b"\"to\":\"bob\"",
    b"\"cid\":\"c\"",
    b"\"ty\\u0070e\":\"ping\"",
    b"\"caps\":[\"presence\"]",
    b"\"since\":{\"epoch\":\"e\",\"seq\":1}",
    b"\"limit\":7",
    b"\"after\":null",
    b"\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]",
    b"\"b\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
    b"\"c\":{\"d\":1,\"d\":2}",
    b"\"e\":[{\"f\":1},{\"f\":1,\"\\u0066\":2}]",
    b"\"g\":1e400",
    b"\"h\":-0",
    b"\"i\":\"\\ud800\"",
    b"\"j\":9007199254740993",
    b"\"k\":\"a\tb\"",
    b"\"l\":\"\xff\"",
    b"\"m\":\r1",
    b"",
];
const FIRST: Words = &[
    b"{",
    b"}",
    b"[",
    b"\"",
    b" ",
    b"\r",
    b"\t",
    b"null",
    b"hello",
    b"\"control character\"",
    b"GET",
    b"POST",
    b" / ",
    b" * ",
    b"HTTP/1.1",
    b"GET / HTTP/1.1",
    b"OPTIONS * HTTP/1.0",
    b"PROXY ",
    b"NICK ",
    b"CAP",
    b"EHLO ",
    b"SSH-2.0-x",
    b"*1",
    b"\x16\x03\x01",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1b[2J",
    b"\xc2\x9b",
    b"/nick a",
    b"\xe9",
];
const SAID: Words = &[
    b"{\"type\":\"hello\",\"version\":1}\n",
    b"{\"type\":\"hello\",\"version\":1,\"username\":\"ann\",\"join\":true}\n",
    b"{\"type\":\"hello\",\"version\":1,\"username\":\"bob\",\"caps\":[]}\n",
    b"{\"type\":\"join\",\"room\":\"den\"}\n",
    b"{\"type\":\"join\",\"room\":\"lobby\",\"since\":{\"epoch\":\"e\",\"seq\":1}}\n",
    b"{\"type\":\"message\",\"message\":\"hi\"}\n",
    b"{\"type\":\"message\",\"message\":\"\\u001b]0;x\\u0007\\u202e\"}\n",
    b"{\"type\":\"names\",\"room\":\"lobby\"}\n",
    b"{\"type\":\"message\",\"to\":\"bob\",\"message\":\"psst\",\"cid\":\"c\"}\n",
    b"{\"type\":\"rooms\",\"label\":\"l\"}\n",
    b"{\"type\":\"part\",\"room\":\"lobby\"}\n",
    b"{\"type\":\"ping\"}\n",
    b"{\"type\":\"quit\",\"reason\":\"\\u001b[2J\"}\n",
    b"{\"type\":\"nick\",\"username\":\"cleo\"}\n",
    b"{\"username\":\"bob\",\"message\":\"hi\"}\n",
    b"{\"username\":\"cleo\",\"message\":\"hi\"}\n",
    b"{\"username\":\"bob\",\"mess",
    b"/nick cleo\n",
    b"/msg bob psst\n",
    b"/names\n",
    b"/join den\n",
    b"/part\n",
    b"/help\n",
    b"/quit\n",
    b"hello\n",
    b"\n",
    b"a\xff\xfd\x06b\n",
    b"\xe9\n",
    b"{\n",
    b"\x1b]0;x\x07\n",
    b"GET / HTTP/1.1\r\n",
    b"a\rb\n",
];
const LINES: Words = &[
    b"[server]",
    b"[admin]",
    b"[metrics]",
    b"[log]",
    b"[limits]",
    b"[limits]",
    b"[shutdown]",
    b"name = \"\xc3\xbc\\u0000\"",
    b"name = '''\n'",
    b"listen = [\"127.0.0.1:0\"]",
    b"listen = \"127.0.0.1:1\"",
    b"default_room = \"den\"",
    b"workers = 2",
    b"write_users = [\"a\\\"b\"]",
    b"hosts = [\"x\"]",
    b"level = \"debug\"",
    b"format = \"json\"",
    b"line = \"32KiB\"",
    b"message = \"5000B\"",
    b"clients = 77",
    b"message_rate = \"7/s\"",
    b"idle_timeout = \"1m30s\"",
    b"lag_age = \"unlimited\"",
    b"on_lag = \"disconnect\"",
    b"deadline = \"500ms\"",
    b"deadline = 5",
    b"rooms = 0",
    b"bans = -1",
    b"nothing = 1",
    b"x",
    b"# \x1b[2J",
    b"",
    b"\x1elimits.line=64KiB",
    b"\x1elog.level=trace",
    b"\x1eno=",
    b"\x1e",
];
const ASKED: Words = &[
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n", b"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"health\",\"params\":{}}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"clients.list\",\"params\":{\"limit\":1,\"filter\":{\"username\":\"a\"}}}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"bans.add\",\"params\":{\"nick\":\"mallory\",\"seconds\":1e300}}\r\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"bans.add\",\"params\":{\"addr\":\"2001:db8::/64\",\"dry_run\":true}}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"broadcast\",\"params\":{\"text\":\"hi\"}}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"drain\",\"params\":{\"deadline_seconds\":-1}}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"shutdown\"}\n", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"config.reload\"}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"auth\",\"params\":{\"token\":\"x\"}}\n", b"{\"jsonrpc\":\"2.0\",\"method\":\"status\"}\n",
    b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"version\",\"x\":\"\xff\"}\n", b"{\"jsonrpc\":\"1.0\",\"id\":1}\n", b"[1]\n", b"null\n",
    b"POST / HTTP/1.1\r\n", b"\n", b"{", b"\"",
];

/// These words, one after the other, and now and then bytes that are none.
fn soup(words: Words) -> BoxedStrategy<Vec<u8>> {
    let word = prop_oneof![
        9 => select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(word, 0..24).prop_map(|words| words.concat()).boxed()
}

/// An object of some of these fields.
fn object(fields: Words) -> BoxedStrategy<Vec<u8>> {
    vec(select(fields), 0..6)
        .prop_map(|fields| [b"{", &*fields.join(&b','), b"}"].concat())
        .boxed()
}

/// Steps of people who say something, hang up, or let time pass.
fn steps() -> BoxedStrategy<Vec<u8>> {
    let said = vec(select(SAID), 1..4).prop_map(|said| said.concat());
    let step = (select(&b"AAABBBCCCabc."[..]), said);
    let step = step.prop_map(|(who, said)| [&[who][..], &said].concat());
    vec(step, 1..16).prop_map(|steps| steps.join(&0x1e)).boxed()
}

fn holds(property: fn(&[u8]), inputs: BoxedStrategy<Vec<u8>>) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(input in inputs)| property(&input));
}

#[test]
fn any_cut_gives_the_same_lines() {
    holds(framer, soup(BYTES));
}

#[test]
fn the_first_line_decides_by_what_it_is() {
    holds(opening, soup(FIRST));
    holds(opening, object(FIELDS));
}

#[test]
fn what_is_read_is_what_others_read_and_what_is_written_is_harmless() {
    holds(codec, soup(FIRST));
    holds(codec, object(FIELDS));
}

#[test]
fn whatever_is_sent_everyone_hears_whole_lines() {
    holds(session, steps());
}

#[test]
fn a_configuration_is_the_same_when_printed_or_refused_by_its_place() {
    let lines = vec(select(LINES), 0..5).prop_map(|lines| lines.join(&b'\n'));
    holds(settings, soup(LINES));
    holds(settings, lines.boxed());
}

#[test]
fn without_the_token_nothing_is_carried_out_and_with_it_each_line_is_answered() {
    holds(operator, soup(ASKED));
}

#[test]
fn what_the_fuzzers_kept_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut broken = Vec::new();
    for (name, property) in PROPERTIES {
        let folder = corpus.join(name);
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(
            files.len() > 3,
            "only {} in {}",
            files.len(),
            folder.display()
        );
        for file in files {
            let input = std::fs::read(&file).unwrap();
            if catch_unwind(AssertUnwindSafe(|| property(&input))).is_err() {
                broken.push(file);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
