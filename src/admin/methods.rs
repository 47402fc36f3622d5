//! Which methods there are, what each may do, and which verb it is.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::Caller;
use super::request::{Failure, Request};
use super::stream::Stream;
use crate::control::{
    Access, AuditQuery, BackupQuery, BanOrder, BanQuery, ClientQuery, ClosedQuery, Control,
    EventQuery, ImportEnd, ImportOrder, ImportPart, KickOrder, LogOrder, PastQuery, PruneOrder,
    RefusalQuery, Refused, Rejected, RequestResult, RoomQuery, SearchQuery, SetOrder, TopOrder,
    TraceOrder, UnbanOrder, Unset,
};
use crate::phase::Phase;
use crate::rpc::Code;

type Answer = Result<Value, Failure>;

/// What a method comes to: an answer, or an answer and what follows it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// One answer.
    Answer(Value),
    /// An answer, and lines until one of the two has enough.
    Stream(Value, Box<Stream>),
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self::Answer(value)
    }
}

/// Longest part of the parameters that the audit line shows, in characters.
const SHOWN_PARAMS: usize = 300;

/// Carries out a request, counts it, and remembers it if it was to change something.
pub(super) async fn call(
    control: &Control,
    caller: &Caller,
    request: &Request,
) -> Result<Outcome, Failure> {
    let Some(method) = Method::find(&request.method) else {
        control.tally().count(Access::Read, RequestResult::Error);
        return Err(Failure::new(
            Code::Method,
            format!("there is no method {:?}", request.method),
        ));
    };
    let access = method.access_with(request.params.as_ref());
    let outcome = if caller.may(access) {
        method.start(control, caller, request.params.clone()).await
    } else {
        let sentence = "you may look but not change: see admin.write_users";
        Err(Failure::new(Code::Denied, sentence))
    };
    let result = match &outcome {
        Ok(_) => RequestResult::Ok,
        Err(Failure {
            code: Code::Denied, ..
        }) => RequestResult::Denied,
        Err(_) => RequestResult::Error,
    };
    control.tally().count(access, result);
    if access == Access::Write && !method.is_part() {
        let why = outcome.as_ref().err();
        let why = why.map_or("", |failure| failure.message.as_str());
        audit(control, caller, request, result, why);
    }
    outcome
}

fn audit(control: &Control, caller: &Caller, request: &Request, result: RequestResult, why: &str) {
    let params = request.params.as_ref().map(Value::to_string);
    let params: String = params
        .unwrap_or_default()
        .chars()
        .take(SHOWN_PARAMS)
        .collect();
    control.audit(&caller.to_string(), &request.method, &params, result, why);
}

macro_rules! methods {
    ($($name:ident = $word:literal, $access:ident;)+) => {
        /// What can be asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Method {
            $($name,)+
        }

        impl Method {
            fn find(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)+
                    _ => None,
                }
            }

            fn access(self) -> Access {
                match self { $(Self::$name => Access::$access,)+ }
            }
        }
    };
}

methods! {
    Auth = "auth", Read;
    Status = "status", Read;
    Health = "health", Read;
    ClientsList = "clients.list", Read;
    ClientsGet = "clients.get", Read;
    ClientsClosed = "clients.closed", Read;
    ClientsRefused = "clients.refused", Read;
    ClientsKick = "clients.kick", Write;
    ClientsTrace = "clients.trace", Read;
    BansAdd = "bans.add", Write;
    BansRemove = "bans.remove", Write;
    BansList = "bans.list", Read;
    RoomsList = "rooms.list", Read;
    RoomsGet = "rooms.get", Read;
    ErrorsList = "errors.list", Read;
    Latency = "latency", Read;
    Books = "books", Read;
    Broadcast = "broadcast", Write;
    LogGet = "log.get", Read;
    LogSet = "log.set", Write;
    ConfigShow = "config.show", Read;
    ConfigPlan = "config.plan", Read;
    ConfigSet = "config.set", Write;
    ConfigReload = "config.reload", Write;
    Pause = "pause", Write;
    Resume = "resume", Write;
    EventsSubscribe = "events.subscribe", Read;
    TopSubscribe = "top.subscribe", Read;
    AuditList = "audit.list", Read;
    Drain = "drain", Write;
    Shutdown = "shutdown", Write;
    HistoryShow = "history.show", Read;
    HistorySearch = "history.search", Read;
    HistoryPrune = "history.prune", Write;
    HistoryImport = "history.import", Write;
    HistoryImportPart = "history.import_part", Write;
    HistoryImportEnd = "history.import_end", Write;
    HistoryBackup = "history.backup", Write;
    HistoryBackupPart = "history.backup_part", Write;
    Version = "version", Read;
}

impl Method {
    /// What the call may do: to read what people write is more than to look.
    fn access_with(self, params: Option<&Value>) -> Access {
        let reads_text = params.is_some_and(|params| params["payload"] == true);
        match self {
            Self::ClientsTrace if reads_text => Access::Write,
            other => other.access(),
        }
    }

    /// One of many requests of a work whose first one is in the audit log.
    fn is_part(self) -> bool {
        matches!(self, Self::HistoryImportPart | Self::HistoryBackupPart)
    }

    async fn start(
        self,
        control: &Control,
        caller: &Caller,
        params: Option<Value>,
    ) -> Result<Outcome, Failure> {
        let stream = match self {
            Self::EventsSubscribe => Stream::Events(control.events(read::<EventQuery>(params)?)?),
            Self::TopSubscribe => Stream::Top(control.top(read::<TopOrder>(params)?)?),
            Self::ClientsTrace => Stream::Trace(control.trace(&read::<TraceOrder>(params)?)?),
            other => {
                return other
                    .run(control, caller, params)
                    .await
                    .map(Outcome::Answer);
            }
        };
        Ok(Outcome::Stream(
            json!({"streaming": true}),
            Box::new(stream),
        ))
    }

    async fn run(self, control: &Control, caller: &Caller, params: Option<Value>) -> Answer {
        match self {
            Self::Auth => result(json!({"access": caller.access.as_str()})),
            Self::Status => none(params).and_then(|()| result(control.status())),
            Self::Version => none(params).and_then(|()| result(control.version())),
            Self::ConfigShow => {
                none(params).and_then(|()| result(json!({"keys": control.config_show()})))
            }
            Self::Health => {
                none(params)?;
                result(control.health().await)
            }
            Self::ClientsList => result(control.clients(&read::<ClientQuery>(params)?)),
            Self::ClientsGet => result(control.client(read::<ById>(params)?.id)?),
            Self::ClientsClosed => {
                result(json!({"closed": control.closed(&read::<ClosedQuery>(params)?)}))
            }
            Self::ClientsRefused => {
                let query = read::<RefusalQuery>(params)?;
                result(json!({"refused": control.refused_connections(&query)}))
            }
            Self::ClientsKick => result(control.kick(&read::<KickOrder>(params)?).await?),
            Self::BansAdd => {
                let order = read::<BanOrder>(params)?;
                result(control.ban(&order, &caller.to_string()).await?)
            }
            Self::BansRemove => result(control.unban(&read::<UnbanOrder>(params)?).await?),
            Self::BansList => result(control.bans(&read::<BanQuery>(params)?)),
            Self::RoomsList => result(control.rooms(&read::<RoomQuery>(params)?)),
            Self::RoomsGet => result(control.room(&read::<ByRoom>(params)?.room)?),
            Self::ErrorsList => {
                let query = read::<RefusalQuery>(params)?;
                result(json!({"errors": control.refused_lines(&query)}))
            }
            Self::Latency => none(params).and_then(|()| result(control.latency())),
            Self::AuditList => {
                result(json!({"calls": control.audited(&read::<AuditQuery>(params)?)}))
            }
            Self::Books => {
                none(params)?;
                result(control.books().await?)
            }
            Self::Broadcast => {
                let Word { text, room } = read(params)?;
                let reached = control.broadcast(&text, room.as_deref())?;
                result(json!({"clients": reached}))
            }
            Self::HistoryShow => result(control.past(&read::<PastQuery>(params)?).await?),
            Self::HistorySearch => result(
                control
                    .search_history(&read::<SearchQuery>(params)?)
                    .await?,
            ),
            Self::HistoryPrune => result(control.prune(&read::<PruneOrder>(params)?).await?),
            Self::HistoryImport => result(
                control
                    .begin_import(&read::<ImportOrder>(params)?, caller.id)
                    .await?,
            ),
            Self::HistoryImportPart => result(
                control
                    .go_on_with_import(read::<ImportPart>(params)?)
                    .await?,
            ),
            Self::HistoryImportEnd => {
                result(control.end_import(&read::<ImportEnd>(params)?).await?)
            }
            Self::HistoryBackup => {
                none(params)?;
                result(control.begin_backup(caller.id).await?)
            }
            Self::HistoryBackupPart => {
                result(control.read_backup(&read::<BackupQuery>(params)?).await?)
            }
            Self::ConfigReload => {
                result(control.reload(read::<ReloadOrder>(params)?.strict).await?)
            }
            Self::ConfigPlan => result(control.plan(read::<ReloadOrder>(params)?.strict).await?),
            Self::ConfigSet => result(control.set(&read::<SetOrder>(params)?).await?),
            Self::LogGet => none(params).and_then(|()| level(control)),
            Self::LogSet => {
                let order = read::<LogOrder>(params)?;
                control.set(&order.of_key()).await?;
                level(control)
            }
            Self::Pause => none(params).and_then(|()| result(control.pause()?)),
            Self::Resume => none(params).and_then(|()| result(control.resume()?)),
            // They are no answer, but what follows one.
            Self::EventsSubscribe | Self::TopSubscribe | Self::ClientsTrace => {
                Err(Failure::new(Code::Internal, "this is a stream"))
            }
            Self::Drain => drain(control, &read(params)?),
            Self::Shutdown => {
                none(params)?;
                control.shutdown();
                result(json!({"phase": control.phase().as_str()}))
            }
        }
    }
}

/// A second drain that nobody asked to be quicker changes nothing: `shutdown` is the word for that.
fn drain(control: &Control, order: &DrainOrder) -> Answer {
    let within = order
        .deadline_seconds
        .map(Duration::try_from_secs_f64)
        .transpose();
    let within =
        within.map_err(|error| Failure::new(Code::Params, format!("deadline_seconds: {error}")))?;
    if control.phase() >= Phase::Draining {
        let left = control.time_left().unwrap_or_default().as_secs();
        let sentence = format!(
            "the daemon is already draining, with {left} s left: `shutdown` ends it at once"
        );
        return Err(Failure::new(Code::State, sentence));
    }
    control.drain(within);
    let left = control.time_left().unwrap_or_default();
    result(json!({"phase": control.phase().as_str(), "deadline_seconds": left.as_secs_f64()}))
}

/// What is logged, and where that was said.
fn level(control: &Control) -> Answer {
    let rows = control.config_show();
    let row = rows.into_iter().find(|row| row.key == "log.level");
    let row = row.ok_or_else(|| Failure::new(Code::Internal, "there is no log.level"))?;
    let dropped = control.log_lines_dropped();
    result(json!({"level": row.value, "origin": row.origin, "lines_dropped": dropped}))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReloadOrder {
    strict: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByRoom {
    room: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ById {
    id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    text: String,
    room: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DrainOrder {
    deadline_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn none(params: Option<Value>) -> Result<(), Failure> {
    read::<Nothing>(params).map(|Nothing {}| ())
}

/// The parameters of a method; none at all are the same as an empty object.
fn read<T: DeserializeOwned>(params: Option<Value>) -> Result<T, Failure> {
    let params = params.unwrap_or_else(|| json!({}));
    if !params.is_object() {
        return Err(Failure::new(
            Code::Params,
            "the parameters are not an object",
        ));
    }
    serde_json::from_value(params).map_err(|error| Failure::new(Code::Params, error.to_string()))
}

fn result(value: impl Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Invalid(_) => Code::Params,
            Refused::NoMatch(_) => Code::NoMatch,
            Refused::Unconfirmed(_) => Code::Unconfirmed,
            Refused::State(_) => Code::State,
            Refused::Failed(_) => Code::Internal,
        };
        Self::new(code, refused.to_string())
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::new(Code::Rejected, rejected.to_string()).with_data(rejected)
    }
}

impl From<Unset> for Failure {
    fn from(unset: Unset) -> Self {
        match unset {
            Unset::Refused(refused) => refused.into(),
            Unset::Rejected(rejected) => rejected.into(),
        }
    }
}
