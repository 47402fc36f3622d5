//! How one talks to each server: come in, subscribe, speak. All of them are understood by the
//! stamp in the payload alone.

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tongue {
    /// chatd, full dialect.
    Full,
    /// chatd, two fields.
    Basic,
    /// chatd, a person's.
    Text,
    /// Lines of this many bytes, the line end included.
    Lines(usize),
    /// Redis.
    Resp,
    /// NATS.
    Nats,
    /// MQTT 3.1.1, QoS 0.
    Mqtt,
    /// IRC.
    Irc,
}

/// One step of coming in: say this, and wait for that.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is sent.
    pub say: Vec<u8>,
    /// What has to stand in the answer; empty where there is none.
    pub until: &'static [u8],
}

fn step(say: impl Into<Vec<u8>>, until: &'static [u8]) -> Step {
    let say = say.into();
    Step { say, until }
}

impl Tongue {
    /// Whether who speaks in a room also hears it, as one connection.
    pub fn speakers_hear(self) -> bool {
        self != Self::Resp
    }

    /// Whether one connection may speak in rooms that it does not hear.
    pub fn speaks_anywhere(self) -> bool {
        matches!(self, Self::Resp | Self::Nats | Self::Mqtt)
    }

    /// Coming in as one who hears `rooms`. Without rooms: as one who only speaks.
    pub fn come_in(self, id: usize, rooms: &[usize]) -> Vec<Step> {
        match self {
            Self::Lines(_) => Vec::new(),
            Self::Full => full(id, rooms),
            // The first message is the introduction; nothing answers it.
            Self::Basic => vec![step(
                format!("{{\"username\":\"u{id}\",\"message\":\"hi\"}}\n"),
                b"",
            )],
            Self::Text => vec![step(format!("/nick u{id}\n"), b"\n")],
            Self::Resp => rooms
                .iter()
                .map(|room| step(format!("SUBSCRIBE {}\r\n", name(*room)), b"subscribe"))
                .collect(),
            Self::Nats => nats(rooms),
            Self::Mqtt => mqtt(id, rooms),
            Self::Irc => irc(id, rooms),
        }
    }

    /// One message of `payload` in `room`, as the bytes that a client sends.
    pub fn say(self, id: usize, room: usize, payload: &[u8], out: &mut Vec<u8>) {
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        let name = name(room);
        match self {
            Self::Full => {
                put(&[br#"{"type":"message","room":""#, name.as_bytes()]);
                put(&[br#"","message":""#, payload, b"\"}\n"]);
            }
            Self::Basic => {
                let user = format!("{{\"username\":\"u{id}\",\"message\":\"");
                put(&[user.as_bytes(), payload, b"\"}\n"]);
            }
            Self::Text => put(&[payload, b"\n"]),
            Self::Lines(len) => {
                put(&[payload]);
                out.resize(out.len() + len.saturating_sub(payload.len() + 1), b'.');
                out.push(b'\n');
            }
            Self::Resp => {
                let head = format!(
                    "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{name}\r\n${}\r\n",
                    name.len(),
                    payload.len()
                );
                put(&[head.as_bytes(), payload, b"\r\n"]);
            }
            Self::Nats => {
                let head = format!("PUB {name} {}\r\n", payload.len());
                put(&[head.as_bytes(), payload, b"\r\n"]);
            }
            Self::Mqtt => {
                let mut body = Vec::with_capacity(payload.len() + 32);
                string(&name, &mut body);
                body.extend_from_slice(payload);
                packet(0x30, &body, out);
            }
            Self::Irc => put(&[b"PRIVMSG #", name.as_bytes(), b" :", payload, b"\r\n"]),
        }
    }
}

/// The room that chatd's simplest clients are in is the first one.
fn name(room: usize) -> String {
    match room {
        0 => "lobby".to_owned(),
        room => format!("r{room}"),
    }
}

fn full(id: usize, rooms: &[usize]) -> Vec<Step> {
    let hello =
        format!("{{\"type\":\"hello\",\"version\":1,\"username\":\"u{id}\",\"caps\":[]}}\n");
    let join = |room: &usize| format!("{{\"type\":\"join\",\"room\":\"{}\"}}\n", name(*room));
    let Some((last, others)) = rooms.split_last() else {
        return vec![step(hello, b"\"welcome\"")];
    };
    // Requests may be pipelined: one way there, one way back.
    let mut steps: Vec<Step> = others
        .iter()
        .map(|room| step(join(room), b"\"joined\""))
        .collect();
    steps.push(step(join(last), b"\"joined\""));
    let first = steps[0].say.clone();
    steps[0].say = [hello.into_bytes(), first].concat();
    steps
}

fn nats(rooms: &[usize]) -> Vec<Step> {
    let mut say = b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n".to_vec();
    for (number, room) in rooms.iter().enumerate() {
        say.extend_from_slice(format!("SUB {} {}\r\n", name(*room), number + 1).as_bytes());
    }
    say.extend_from_slice(b"PING\r\n");
    vec![step(say, b"PONG")]
}

fn mqtt(id: usize, rooms: &[usize]) -> Vec<Step> {
    let mut body = Vec::new();
    string("MQTT", &mut body);
    // Level 4, clean session, no keep-alive.
    body.extend_from_slice(&[4, 2, 0, 0]);
    string(&format!("u{id}"), &mut body);
    let mut connect = Vec::new();
    packet(0x10, &body, &mut connect);
    let mut steps = Vec::new();
    for room in rooms {
        let mut body = vec![0, 1];
        string(&name(*room), &mut body);
        body.push(0);
        let mut say = std::mem::take(&mut connect);
        packet(0x82, &body, &mut say);
        steps.push(step(say, &[0x90, 3]));
    }
    if rooms.is_empty() {
        steps.push(step(connect, &[0x20, 2]));
    }
    steps
}

fn irc(id: usize, rooms: &[usize]) -> Vec<Step> {
    let hello = format!("NICK u{id}\r\nUSER u{id} 0 * :u\r\n");
    let mut steps = vec![step(hello, b" 001 ")];
    let join = |room: &usize| step(format!("JOIN #{}\r\n", name(*room)), b" 366 ");
    steps.extend(rooms.iter().map(join));
    steps
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn packet(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    let mut len = body.len();
    loop {
        let byte = (len & 127) as u8;
        len >>= 7;
        out.push(byte | if len > 0 { 128 } else { 0 });
        if len == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}
