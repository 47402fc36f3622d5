//! A lane and its members in one thread, moved one step at a time.
//!
//! The lane is the daemon's own (`lane::run`), its members are TCP connections over loopback that
//! speak the full dialect. What the clients do happens between the steps, so that a step is the
//! daemon's work alone: its sessions, its log, its lane and the runtime under them. The clock of
//! the runtime stands still, so that no timer runs out in the middle of a step.
//!
//! Absent: other threads, and a socket that takes less than it is given.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use chatd::event::Seq;
use chatd::hub::Hub;
use chatd::lane::{self, ARRIVALS, Arrival, Peer};
use chatd::limits::{Limits, Rate};
use chatd::log::Room;
use chatd::name::RoomName;
use chatd::phase::Phase;
use futures_util::task::AtomicWaker;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Bytes of a message's text.
pub(crate) const PAYLOAD: usize = 128;
/// Messages that a room keeps: few, so that a short warm-up ends where old ones are forgotten.
pub(crate) const RECENT: usize = 1_024;
/// Asked for on the clients' side, so that what one step says fits.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Rests without the step's end after which the lane is stuck.
const PATIENCE: u32 = 1_000_000;
/// Descriptors besides those of the members.
const DESCRIPTORS: u64 = 64;

/// A lane with members in its default room.
pub(crate) struct House {
    runtime: Runtime,
    local: LocalSet,
    rest: Arc<Rest>,
    room: Arc<Room>,
    members: Vec<TcpStream>,
    /// How many messages were ever said: the room's head after the next step.
    said: Seq,
    line: Vec<u8>,
    scratch: Vec<u8>,
}

/// The runtime's thread has nothing to do but to look for news from its sockets.
#[derive(Default)]
struct Rest {
    reached: AtomicBool,
    waker: AtomicWaker,
}

impl House {
    /// A lane with so many members, each welcomed and in the room.
    pub(crate) fn open(members: usize) -> Self {
        allow_descriptors(2 * members as u64 + DESCRIPTORS);
        let hub = Hub::new(
            "bench",
            limits(members),
            RoomName::new("lobby").unwrap(),
            || 1_700_000_000_000,
        );
        hub.open_default_room().unwrap();
        let (door, arrivals) = mpsc::channel(ARRIVALS);
        let start = lane::Start {
            number: 0,
            hub: hub.clone(),
            mailbox: Arc::default(),
            handouts: hub.log.subscribe(1).remove(0),
            arrivals,
        };
        hub.set_lanes(vec![start.mailbox.clone()]);
        hub.set_phase(Phase::Ready);
        let rest = Arc::new(Rest::default());
        let local = LocalSet::new();
        local.spawn_local(lane::run(start));
        let text = "x".repeat(PAYLOAD);
        let line = format!("{{\"type\":\"message\",\"room\":\"lobby\",\"message\":\"{text}\"}}\n");
        let mut house = Self {
            runtime: runtime(&rest),
            local,
            rest,
            room: hub.find_room("lobby").unwrap(),
            members: Vec::new(),
            said: 0,
            line: line.into_bytes(),
            scratch: vec![0; RECEIVE_BUFFER],
        };
        house.fill(members, &hub, &door);
        house
    }

    /// Has the first `speakers` members send so many messages in all, one after the other in turn.
    pub(crate) fn say(&mut self, speakers: usize, messages: usize) {
        for speaker in 0..speakers {
            let share = (messages + speakers - 1 - speaker) / speakers;
            let lines = self.line.repeat(share);
            self.members[speaker].write_all(&lines).unwrap();
        }
        self.said += messages as u64;
    }

    /// Lets the daemon work until what was said is committed and nothing is left to do.
    ///
    /// # Panics
    /// If that never comes.
    #[inline(never)]
    pub(crate) fn step(&mut self) {
        let Self {
            runtime,
            local,
            rest,
            room,
            said,
            ..
        } = self;
        let mut rests = 0;
        local.block_on(
            runtime,
            std::future::poll_fn(|cx| {
                rest.waker.register(cx.waker());
                if rest.reached.swap(false, Ordering::Relaxed) {
                    rests += 1;
                    assert!(rests < PATIENCE, "the lane has not read what was said");
                    if room.head() == *said {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending
            }),
        );
    }

    /// Reads what the members were sent. Gives the number of deliveries.
    ///
    /// # Panics
    /// If somebody has not heard each of these messages by now.
    pub(crate) fn hear(&mut self, speakers: usize, messages: usize) -> u64 {
        let mut first = None;
        let Self {
            members, scratch, ..
        } = self;
        for (at, member) in members.iter_mut().enumerate().rev() {
            let heard = read(member, scratch);
            if at < speakers {
                continue; // It is told acks too.
            }
            let bytes = *first.get_or_insert_with(|| {
                let lines = memchr::memchr_iter(b'\n', heard).count();
                assert_eq!(lines, messages, "a member has not heard everything");
                heard.len()
            });
            assert_eq!(heard.len(), bytes, "member {at} has not heard everything");
        }
        messages as u64 * members.len() as u64
    }

    fn fill(&mut self, members: usize, hub: &Arc<Hub>, door: &mpsc::Sender<Arrival>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        for number in 0..members {
            let mut member = connect(addr);
            let (stream, from) = listener.accept().unwrap();
            prepare(&stream, &hub.limits());
            let arrival = Arrival {
                peer: Peer::Tcp(stream),
                addr: from,
                place: hub.admit(from.ip()),
            };
            door.try_send(arrival).unwrap();
            let hello = format!(
                "{{\"type\":\"hello\",\"version\":1,\"username\":\"m{number}\",\"caps\":[],\"join\":true}}\n"
            );
            member.write_all(hello.as_bytes()).unwrap();
            self.members.push(member);
            while self.room.members() <= number {
                self.step();
            }
        }
        for member in &mut self.members {
            let heard = read(member, &mut self.scratch);
            let joined = memchr::memmem::find(heard, br#""type":"joined""#);
            assert!(joined.is_some(), "a member was not let in");
        }
    }
}

/// Finite everywhere, as in a daemon that is set up; above what the bench needs.
fn limits(members: usize) -> Limits {
    let fast = Some(Rate {
        count: 1_000_000,
        per: Duration::from_secs(1),
    });
    Limits {
        clients: members,
        clients_per_address: Some(members),
        connect_rate: fast,
        message_rate: fast,
        // The clock stands still: what is spent never comes back.
        message_burst: u32::MAX,
        recent_messages: RECENT,
        recent_bytes: 1 << 30,
        ..Limits::default()
    }
}

fn runtime(rest: &Arc<Rest>) -> Runtime {
    let rest = rest.clone();
    Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park(move || {
            rest.reached.store(true, Ordering::Relaxed);
            rest.waker.wake();
        })
        .build()
        .unwrap()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Before the connection is made: it decides how large the window may become.
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.connect(&addr.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

/// What the acceptor does with a connection.
fn prepare(stream: &TcpStream, limits: &Limits) {
    stream.set_nonblocking(true).unwrap();
    stream.set_nodelay(true).unwrap();
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(limits.socket_buffer).unwrap();
    socket.set_recv_buffer_size(limits.socket_buffer).unwrap();
}

/// All that is there.
fn read<'a>(stream: &mut TcpStream, into: &'a mut [u8]) -> &'a [u8] {
    let mut length = 0;
    loop {
        assert!(length < into.len(), "more than was ever said");
        match stream.read(&mut into[length..]) {
            Ok(0) => panic!("a member was closed"),
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return &into[..length],
            Err(error) => panic!("a member was lost: {error}"),
        }
    }
}

fn allow_descriptors(count: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < count) {
        let limit = Rlimit {
            current: Some(count),
            maximum,
        };
        setrlimit(Resource::Nofile, limit).expect("enough file descriptors (ulimit -n)");
    }
}
