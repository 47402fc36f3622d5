//! A lane that did not run for a while, over real sockets: what came meanwhile is read before
//! anybody's patience is judged.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::park_timeout;

use super::*;

/// A client whose thread is the lane's own: while it does something, the lane does not run.
struct Neighbour {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Neighbour {
    async fn arrive(house: &House) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let (accepted, addr) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let place = house.hub.admit(addr.ip());
        let peer = Peer::Tcp(accepted);
        let arrival = Arrival { peer, addr, place };
        house.door.send(arrival).await.unwrap();
        Self {
            stream,
            heard: Vec::new(),
        }
    }

    fn says(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Lets the lane run until this was heard.
    async fn hears(&mut self, word: &str) {
        let hearing = async {
            while !String::from_utf8_lossy(&self.heard).contains(word) {
                let mut bytes = [0; 4096];
                match self.stream.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let _ = timeout(Duration::from_secs(30), hearing).await;
        let heard = String::from_utf8(std::mem::take(&mut self.heard)).unwrap();
        assert!(heard.contains(word), "no {word} in {heard}");
    }
}

/// Runs a play with the system's own time.
fn play_in_real_time<F: Future<Output = ()>>(limits: Limits, scene: impl FnOnce(House) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    on_stage(&runtime, limits, scene);
}

/// The process stands still for longer than anybody's patience. What wakes every session first is
/// no socket: the thread has not asked about those since.
fn stands_still(house: &House, limits: &Limits) {
    park_timeout(limits.ping_timeout * 2);
    house.hub.set_limits(limits.clone());
}

#[test]
fn an_answer_that_came_while_the_lane_stood_still_is_in_time() {
    let limits = Limits {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let again = limits.clone();
    play_in_real_time(limits, |house| async move {
        let mut alice = Neighbour::arrive(&house).await;
        alice.says(b"{\"type\":\"hello\",\"version\":1,\"username\":\"alice\"}\n");
        alice.hears("\"ping\"").await;
        alice.says(b"{\"type\":\"pong\"}\n");
        stands_still(&house, &again);
        alice.says(b"{\"type\":\"names\",\"room\":\"lobby\",\"label\":\"after\"}\n");
        alice.hears("\"after\"").await;
        // Whoever says nothing more has had their time.
        alice.hears("ping_timeout").await;
    });
}

#[test]
fn a_first_line_that_was_completed_while_the_lane_stood_still_is_in_time() {
    let limits = Limits {
        hello_timeout: Duration::from_secs(2),
        ping_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let again = limits.clone();
    play_in_real_time(limits, |house| async move {
        let mut alice = Neighbour::arrive(&house).await;
        alice.says(b"{\"type\":\"hello\",\"ver");
        let mut silent = Neighbour::arrive(&house).await;
        // The lane has read so far.
        tokio::time::sleep(Duration::from_millis(100)).await;
        alice.says(b"sion\":1,\"username\":\"alice\"}\n");
        silent.says(b"{\"type\":\"hello\",\"version\":1,\"username\":\"bob\"}\n");
        stands_still(&house, &again);
        alice.hears("welcome").await;
        silent.hears("welcome").await;
    });
}
