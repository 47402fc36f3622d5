//! Requests and answers as lines.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::rpc::{Code, LONGEST_ANSWER};

/// A request. Fields that are not known are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    jsonrpc: String,
    pub(super) id: Option<Value>,
    pub(super) method: String,
    pub(super) params: Option<Value>,
    /// Read all the same: what is carried out is JSON as a whole.
    #[serde(flatten)]
    _unknown: Map<String, Value>,
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    data: Option<Value>,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(super) fn with_data(self, data: impl Serialize) -> Self {
        Self {
            data: serde_json::to_value(data).ok(),
            ..self
        }
    }
}

impl Request {
    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(line)
            .map_err(|_| Failure::new(Code::Parse, "the request is not UTF-8"))?;
        let request: Self = serde_json::from_str(text).map_err(|error| {
            let code = if error.is_data() {
                Code::Request
            } else {
                Code::Parse
            };
            Failure::new(code, error.to_string())
        })?;
        let wrong = |why: &str| Err(Failure::new(Code::Request, why));
        if request.jsonrpc != "2.0" {
            return wrong("this is JSON-RPC 2.0: say \"jsonrpc\":\"2.0\"");
        }
        match request.id {
            Some(Value::String(_)) => Ok(request),
            // It is answered as it was said, which what is read as a float could not be.
            Some(Value::Number(ref number)) if !number.is_f64() => Ok(request),
            _ => wrong("a request needs an id, a string or a whole number of at most 64 bits"),
        }
    }
}

/// The line that answers, line end included.
pub(super) fn answer(id: Option<&Value>, result: Result<Value, Failure>) -> Vec<u8> {
    let line = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(Failure {
            code,
            message,
            data,
        }) => {
            let mut error = json!({"code": code.number(), "message": message});
            if let Some(data) = data {
                error["data"] = data;
            }
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        }
    };
    let mut line = line.to_string().into_bytes();
    if line.len() > LONGEST_ANSWER {
        let failure = Failure::new(
            Code::Internal,
            "the answer is too long for one line: ask for less",
        );
        return answer(id, Err(failure));
    }
    line.push(b'\n');
    line
}
