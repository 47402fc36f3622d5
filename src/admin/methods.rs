//! Which methods there are, what each may do, and which verb it is.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::Caller;
use super::request::{Failure, Request};
use crate::control::{
    Access, ClientQuery, ClosedQuery, Control, KickOrder, Refused, Rejected, RequestResult,
    RoomQuery,
};
use crate::phase::Phase;
use crate::rpc::Code;

type Answer = Result<Value, Failure>;

/// Longest part of the parameters that the audit line shows, in characters.
const SHOWN_PARAMS: usize = 300;

/// Carries out a request, counts it, and logs it if it was to change something.
pub(super) async fn call(control: &Control, caller: &Caller, request: &Request) -> Answer {
    let Some(method) = Method::find(&request.method) else {
        control.tally().count(Access::Read, RequestResult::Error);
        return Err(Failure::new(
            Code::Method,
            format!("there is no method {:?}", request.method),
        ));
    };
    let answer = if caller.may(method.access()) {
        method.run(control, caller, request.params.clone()).await
    } else {
        let sentence = "you may look but not change: see admin.write_users";
        Err(Failure::new(Code::Denied, sentence))
    };
    let result = match &answer {
        Ok(_) => RequestResult::Ok,
        Err(Failure {
            code: Code::Denied, ..
        }) => RequestResult::Denied,
        Err(_) => RequestResult::Error,
    };
    control.tally().count(method.access(), result);
    if method.access() == Access::Write {
        audit(caller, request, result, &answer);
    }
    answer
}

fn audit(caller: &Caller, request: &Request, result: RequestResult, answer: &Answer) {
    let params = request
        .params
        .as_ref()
        .map(Value::to_string)
        .unwrap_or_default();
    let params: String = params.chars().take(SHOWN_PARAMS).collect();
    let why = answer
        .as_ref()
        .err()
        .map(|failure| failure.message.as_str())
        .unwrap_or_default();
    tracing::info!(
        target: "audit",
        event = "admin.call",
        method = request.method,
        by = %caller,
        params,
        result = result.as_str(),
        why,
        "an operator's call"
    );
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
    ClientsKick = "clients.kick", Write;
    RoomsList = "rooms.list", Read;
    Broadcast = "broadcast", Write;
    ConfigShow = "config.show", Read;
    ConfigReload = "config.reload", Write;
    Drain = "drain", Write;
    Shutdown = "shutdown", Write;
    Version = "version", Read;
}

impl Method {
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
            Self::ClientsKick => result(control.kick(&read::<KickOrder>(params)?).await?),
            Self::RoomsList => result(control.rooms(&read::<RoomQuery>(params)?)),
            Self::Broadcast => {
                let Word { text, room } = read(params)?;
                let reached = control.broadcast(&text, room.as_deref())?;
                result(json!({"clients": reached}))
            }
            Self::ConfigReload => {
                none(params)?;
                result(control.reload().await?)
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
        };
        Self::new(code, refused.to_string())
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::new(Code::Rejected, rejected.to_string()).with_data(rejected)
    }
}
