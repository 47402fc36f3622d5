//! Too little of something: memory, a processor.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::time::sleep;

use crate::canary::Canary;
use crate::harness::{Config, Daemon, NARROW_BYTES, Peer, Staging, until};
use crate::on_stage;
use crate::stage::succeeds;

/// Whether a control group with a ceiling on memory can be made here.
pub(crate) fn has_ceilings() -> bool {
    let controllers = Ceiling::folder().join("cgroup.subtree_control");
    let has_second = || fs::read_to_string(controllers).is_ok_and(|text| text.contains("memory"));
    Ceiling::folder().ends_with("memory") || has_second()
}

/// A control group with a ceiling on memory. It goes with the play.
struct Ceiling(PathBuf);

impl Ceiling {
    /// Where this machine has such groups: version 1, else version 2.
    fn folder() -> PathBuf {
        let first = PathBuf::from("/sys/fs/cgroup/memory");
        if first.is_dir() {
            first
        } else {
            "/sys/fs/cgroup".into()
        }
    }

    fn of(bytes: u64) -> Self {
        let group = Self::folder().join(format!("chatd-play-{}", std::process::id()));
        fs::create_dir(&group).unwrap();
        let ceiling = Self(group);
        let file = ceiling.file("memory.limit_in_bytes", "memory.max");
        fs::write(file, bytes.to_string()).unwrap();
        ceiling
    }

    fn file(&self, first: &str, second: &str) -> PathBuf {
        let file = self.0.join(first);
        if file.exists() {
            file
        } else {
            self.0.join(second)
        }
    }

    /// The most that was in use.
    fn peak(&self) -> u64 {
        let file = self.file("memory.max_usage_in_bytes", "memory.peak");
        fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        // Empty only when the daemon has gone, which may be a moment ago.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The daemon makes its limits fit the ceiling. Then everybody does their worst at once, and it lives.
pub(crate) fn of_memory_and_the_limits_hold() {
    const CEILING: u64 = 256 * 1024 * 1024;
    const CROWD: usize = 300;
    const ROOMS: usize = 30;
    on_stage(async {
        let ceiling = Ceiling::of(CEILING);
        let enter = format!("echo $$ > {}/cgroup.procs", ceiling.0.display());
        let config = Config::roomy()
            .limit("socket_buffer", "16KiB")
            .limit("write_stall", "300s")
            .limit("line_timeout", "300s");
        let chat = Daemon::start_staged(config, Staging::default().after(&enter)).await;
        chat.logs(&["limits.lowered"]).await;
        let limit = chat.metrics().await.sum("chatd_connections_limit", &[]) as usize;
        assert!(limit > 2 * ROOMS, "{limit}");
        let crowd_size = CROWD.min(limit - ROOMS - 10);
        let mut canary = Canary::arrive(&chat).await;
        // Rooms filled to the brim, readers that do not read, lines that do not end.
        let mut crowd = Vec::new();
        let text = "x".repeat(3500);
        for n in 0..crowd_size {
            let mut peer = Peer::connect_with(chat.chat(), NARROW_BYTES).await;
            peer.hello(&format!("guest{n}")).await;
            peer.join(&format!("room{}", n % ROOMS)).await;
            crowd.push(peer);
        }
        for n in 0..ROOMS {
            let mut speaker = chat
                .full_in(&format!("room{n}"), &format!("speaker{n}"))
                .await;
            for _ in 0..150 {
                speaker.publish(&format!("room{n}"), &text).await;
            }
        }
        for peer in &mut crowd {
            peer.send_if_open(b"{\"type\":\"ping\",\"token\":\"").await;
            peer.send_if_open(&[b'x'; 16_000]).await;
        }
        assert_eq!(chat.ctl(&["status"]).await.code, 0);
        canary.has_heard().await;
        canary.flies_off().await;
        assert!(chat.is_running());
        let peak = ceiling.peak();
        println!(
            "{crowd_size} people: {} MiB of {}",
            peak >> 20,
            CEILING >> 20
        );
        assert!(peak < CEILING, "{peak}");
        drop(crowd);
        drop(chat);
    });
}

/// Programs that do nothing as fast as they can.
struct Busy(Vec<Child>);

impl Busy {
    fn on(cpu: &str, count: usize) -> Self {
        let burn = || {
            let mut command = Command::new("taskset");
            command.args(["-c", cpu, "sh", "-c", "while :; do :; done"]);
            command.spawn().unwrap()
        };
        Self((0..count).map(|_| burn()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// One worker gets next to nothing of a processor: its people wait, and are not sent away for it;
/// the operator is answered, and told.
pub(crate) fn of_a_processor_and_nobody_is_sent_away() {
    on_stage(async {
        let config = Config::roomy()
            .set("server.workers", 2)
            .limit("ping_interval", "2s")
            .limit("ping_timeout", "10s");
        let chat = Daemon::start(config).await;
        let mut canary = Canary::arrive(&chat).await;
        let before = canary.hears_calmly().await;
        let tasks = format!("/proc/{}/task", chat.pid());
        let lane = fs::read_dir(tasks)
            .unwrap()
            .map(|task| task.unwrap().path())
            .find(|task| fs::read_to_string(task.join("comm")).unwrap().trim() == "lane-0")
            .expect("a worker");
        let lane = lane.file_name().unwrap().to_str().unwrap().to_owned();
        succeeds(Command::new("taskset").args(["-cp", "0", &lane]));
        succeeds(Command::new("chrt").args(["--idle", "-p", "0", &lane]));
        let busy = Busy::on("0", 3);
        let mut waited = Duration::ZERO;
        for _ in 0..5 {
            let asked = tokio::time::Instant::now();
            assert_eq!(chat.ctl(&["status"]).await.code, 0);
            assert!(
                asked.elapsed() < Duration::from_secs(5),
                "{:?}",
                asked.elapsed()
            );
            waited = waited.max(canary.has_heard().await);
            sleep(Duration::from_millis(500)).await;
        }
        assert!(
            waited > before,
            "{waited:?} is no starvation, {before:?} before"
        );
        drop(busy);
        succeeds(Command::new("chrt").args(["--other", "-p", "0", &lane]));
        until("all is as before", async || {
            (canary.hears_calmly().await < Duration::from_millis(500)).then_some(())
        })
        .await;
        let closed = chat.metrics().await;
        assert_eq!(closed.sum("chatd_connections_closed_total", &[]), 0.0);
        println!("{before:?} before, {waited:?} starved");
        canary.flies_off().await;
    });
}
