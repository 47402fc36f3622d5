//! The read-only door for a monitor: `/metrics`, `/livez`, `/readyz` and a page that names them.
//!
//! - It writes nothing, keeps nothing and answers while the data plane is saturated or draining.
//! - At most [`CONNECTIONS`] at once, one request each, everything within [`DEADLINE`]: a stuck
//!   monitor costs nothing.
//! - A request has to name the host by an IP address, as `localhost` or as one of `metrics.hosts`:
//!   else a web page that rebinds its own name to this address could read here (421).

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metrics;
use crate::backoff::Backoff;
use crate::phase::Phase;
use crate::spares::{Loan, Spares};

/// Connections at once; one more is closed unheard.
pub const CONNECTIONS: usize = 16;
/// For the head of the request, and for the whole of the connection.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// How long the last answers may take when the door closes.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the door shows.
pub struct Site {
    /// The body of `/metrics`.
    pub metrics: Box<dyn Fn(&Traffic) -> String + Send + Sync>,
    /// What `/readyz` tells.
    pub phase: watch::Receiver<Phase>,
    /// Whether nobody is let in for now.
    pub paused: Box<dyn Fn() -> bool + Send + Sync>,
    /// Why messages cannot be kept now, if they cannot.
    pub trouble: Box<dyn Fn() -> Option<&'static str> + Send + Sync>,
    /// `metrics.hosts`, as they are now.
    pub hosts: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What has come through so far.
    pub traffic: Traffic,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}

/// What has come through the door.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Scrapes answered.
    pub scrapes: AtomicU64,
    /// What the last of them took to put together, in microseconds.
    pub render_micros: AtomicU64,
    /// Connections closed because there were [`CONNECTIONS`].
    pub refused: AtomicU64,
    /// Failures of `accept`.
    pub accept_failed: AtomicU64,
}

/// Answers until `stop`. Errors of `accept` never end it.
pub async fn serve(
    listener: TcpListener,
    site: Arc<Site>,
    spares: Spares,
    stop: CancellationToken,
) {
    let door = Door {
        site,
        seats: Arc::new(Semaphore::new(CONNECTIONS)),
        tasks: TaskTracker::new(),
        spares,
    };
    stop.run_until_cancelled(door.accept(&listener)).await;
    drop(listener);
    door.tasks.close();
    let _ = timeout(FAREWELL, door.tasks.wait()).await;
}

struct Door {
    site: Arc<Site>,
    seats: Arc<Semaphore>,
    tasks: TaskTracker,
    spares: Spares,
}

impl Door {
    async fn accept(&self, listener: &TcpListener) {
        let mut backoff = Backoff::new("metrics");
        let mut loan = None;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    backoff.reset();
                    self.seat(stream, loan.take());
                }
                // A door that has borrowed and still fails (others were faster) waits as any other,
                // and borrows anew.
                Err(error) => match loan
                    .is_none()
                    .then(|| self.spares.lend_for(&error))
                    .flatten()
                {
                    Some(borrowed) => loan = Some(borrowed),
                    None => {
                        self.site.traffic.accept_failed.fetch_add(1, Relaxed);
                        drop(loan.take());
                        backoff.pause(&error).await;
                    }
                },
            }
        }
    }

    fn seat(&self, stream: TcpStream, loan: Option<Loan>) {
        let Ok(permit) = self.seats.clone().try_acquire_owned() else {
            self.site.traffic.refused.fetch_add(1, Relaxed);
            return;
        };
        let seat = (permit, loan);
        self.tasks.spawn(talk(stream, self.site.clone(), seat));
    }
}

/// One connection, one request. What goes wrong is the monitor's business.
async fn talk(stream: TcpStream, site: Arc<Site>, _seat: (OwnedSemaphorePermit, Option<Loan>)) {
    let answer =
        service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&site, &request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(DEADLINE)
        .max_buf_size(LARGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = timeout(DEADLINE, connection).await;
}

fn answer(site: &Site, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !is_for_us(request, &(site.hosts)()) {
        return page(
            StatusCode::MISDIRECTED_REQUEST,
            "this host name is not served here: see metrics.hosts\n",
        );
    }
    let path = request.uri().path();
    if !matches!(path, "/" | "/metrics" | "/livez" | "/readyz") {
        return page(
            StatusCode::NOT_FOUND,
            "here are / /metrics /livez /readyz\n",
        );
    }
    if request.method() != Method::GET {
        let mut refusal = page(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    match path {
        "/metrics" => scrape(site),
        "/livez" => page(StatusCode::OK, "alive\n"),
        "/readyz" => readiness(*site.phase.borrow(), (site.paused)(), (site.trouble)()),
        _ => page(StatusCode::OK, INDEX),
    }
}

const INDEX: &str = "\
/metrics  numbers, for Prometheus
/livez    200 while the process answers
/readyz   200 while new connections are served and messages kept, else 503 and why not
";

fn scrape(site: &Site) -> Response<Full<Bytes>> {
    site.traffic.scrapes.fetch_add(1, Relaxed);
    let begun = Instant::now();
    let text = (site.metrics)(&site.traffic);
    let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    site.traffic.render_micros.store(took, Relaxed);
    let mut answer = page(StatusCode::OK, text);
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static(metrics::CONTENT_TYPE),
    );
    answer
}

fn readiness(phase: Phase, paused: bool, trouble: Option<&str>) -> Response<Full<Bytes>> {
    let why_not = match (phase, paused, trouble) {
        (Phase::Ready, false, None) => return page(StatusCode::OK, format!("{phase}\n")),
        (Phase::Ready, true, _) => "paused\n".to_owned(),
        (Phase::Ready, false, Some(trouble)) => format!("history: {trouble}\n"),
        (phase, ..) => format!("{phase}\n"),
    };
    page(StatusCode::SERVICE_UNAVAILABLE, why_not)
}

fn page(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}

/// Whether the request names this host, in its target or its only Host header.
fn is_for_us(request: &Request<Incoming>, hosts: &[String]) -> bool {
    if let Some(authority) = request.uri().authority() {
        return is_our_name(authority.host(), hosts);
    }
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return false;
    };
    let authority = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| is_our_name(authority.host(), hosts))
}

fn is_our_name(host: &str, hosts: &[String]) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    /// A door on a free port, and what it is made of.
    struct Stage {
        address: std::net::SocketAddr,
        phase: watch::Sender<Phase>,
        site: Arc<Site>,
        stop: CancellationToken,
        tasks: TaskTracker,
    }

    impl Stage {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (phase, watched) = watch::channel(Phase::Ready);
            let site = Arc::new(Site {
                metrics: Box::new(|traffic| format!("scrapes {}\n", traffic.scrapes.load(Relaxed))),
                phase: watched,
                paused: Box::new(|| false),
                trouble: Box::new(|| None),
                hosts: Box::new(|| vec!["Chat.Example".to_owned()]),
                traffic: Traffic::default(),
            });
            let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
            tasks.spawn(serve(
                listener,
                site.clone(),
                Spares::default(),
                stop.clone(),
            ));
            tasks.close();
            Self {
                address,
                phase,
                site,
                stop,
                tasks,
            }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        /// What is answered to these bytes, until the door closes the connection.
        async fn ask(&self, request: &str) -> String {
            let mut stream = self.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }

        async fn get(&self, path: &str) -> String {
            self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                .await
        }

        async fn status(&self, request: &str) -> u16 {
            self.ask(request)
                .await
                .split(' ')
                .nth(1)
                .unwrap()
                .parse()
                .unwrap()
        }
    }

    #[tokio::test]
    async fn a_scrape_gets_the_numbers_in_the_type_that_prometheus_wants() {
        let stage = Stage::new().await;
        let answer = stage.get("/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"));
        assert!(answer.ends_with("\r\n\r\nscrapes 1\n"), "{answer}");
    }

    #[tokio::test]
    async fn readiness_follows_the_phase_and_life_does_not() {
        let stage = Stage::new().await;
        assert!(stage.get("/readyz").await.ends_with("ready\n"));
        stage.phase.send(Phase::Draining).unwrap();
        let answer = stage.get("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("draining\n"));
        assert!(stage.get("/livez").await.starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn nothing_else_is_served() {
        let stage = Stage::new().await;
        assert!(stage.get("/").await.contains("/readyz"));
        assert!(stage.get("/metrics/").await.starts_with("HTTP/1.1 404 "));
        assert!(stage.get("/config").await.starts_with("HTTP/1.1 404 "));
        let post = "POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\nhi";
        let answer = stage.ask(post).await;
        assert!(
            answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET\r\n"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn the_host_must_be_ours() {
        let stage = Stage::new().await;
        for host in [
            "127.0.0.1",
            "127.0.0.1:9687",
            "[::1]:9687",
            "LOCALHOST",
            "chat.example:80",
            "10.1.2.3",
        ] {
            let request = format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(stage.status(&request).await, 200, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "",
            "chat.example.",
            "user@evil.example",
        ] {
            let request = format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(stage.status(&request).await, 421, "{host}");
        }
        for request in [
            "GET /livez HTTP/1.1\r\n\r\n",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
            "GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ] {
            assert_eq!(stage.status(request).await, 421, "{request}");
        }
    }

    #[tokio::test]
    async fn too_many_at_once_are_closed_and_counted_and_the_seats_come_free() {
        let stage = Stage::new().await;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(stage.connect().await);
        }
        let mut one_more = stage.connect().await;
        let read = one_more.read(&mut [0; 1]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        assert_eq!(stage.site.traffic.refused.load(Relaxed), 1);
        drop(held);
        let give_up = Instant::now() + Duration::from_secs(10);
        let mut answer = String::new();
        while !answer.starts_with("HTTP/1.1 200 ") {
            assert!(Instant::now() < give_up);
            let mut stream = stage.connect().await;
            let _ = stream
                .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await;
            answer.clear();
            let _ = stream.read_to_string(&mut answer).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_closed_after_the_deadline() {
        let stage = Stage::new().await;
        let mut silent = stage.connect().await;
        silent.write_all(b"GET /metr").await.unwrap();
        let began = Instant::now();
        let mut answer = Vec::new();
        let _ = silent.read_to_end(&mut answer).await;
        assert!(began.elapsed() >= DEADLINE && began.elapsed() < 2 * DEADLINE);
    }

    #[tokio::test]
    async fn it_ends_when_told() {
        let stage = Stage::new().await;
        stage.stop.cancel();
        stage.tasks.wait().await;
        assert!(TcpStream::connect(stage.address).await.is_err());
    }
}
