//! The signalling messages: JSON-RPC 2.0, one object per WebSocket frame, with the methods of `genesys-webrtc`.
//!
//! `propose` and `proceed` are XMPP messages at Genesys and plain methods here; `call` replaces the REST request that rings a phone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A message that one side sends the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "method",
    content = "params",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Method {
    /// Softphone: connect me to this conversation.
    Call {
        /// The conversation.
        conversation_id: String,
        /// The session of this connection that shall carry it, and carries none; without it there will be a new one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        /// What the session is to carry.
        #[serde(default, skip_serializing_if = "CallMedia::is_audio")]
        media: CallMedia,
        /// What becomes of the session when this connection breaks.
        #[serde(default, skip_serializing_if = "CallConnection::is_per_call")]
        connection: CallConnection,
    },
    /// Softphone: the connection of this persistent session broke; from now on this is its connection. The server answers with `info`.
    Reconnect {
        /// The session.
        session_id: String,
    },
    /// Server: a session is to be had.
    Propose {
        /// The session.
        session_id: String,
        /// The conversation.
        conversation_id: String,
        /// Whether the phone should take it without ringing.
        autoanswer: bool,
    },
    /// Softphone: go on.
    Proceed {
        /// The session.
        session_id: String,
    },
    /// Server: its SDP. Softphone: another one, in a session that is up; the server answers.
    Offer {
        /// The session.
        session_id: String,
        /// The conversation.
        conversation_id: String,
        /// The description.
        sdp: String,
    },
    /// Softphone: its SDP. Server: its own, to an offer in a session that is up.
    Answer {
        /// The session.
        session_id: String,
        /// The description.
        sdp: String,
    },
    /// A candidate, or the end of them.
    IceCandidate {
        /// The session.
        session_id: String,
        /// A media section with one candidate line.
        sdp: String,
    },
    /// How it goes: `active` when the path is up, and from the server when a session that was there before carries the conversation,
    /// or is reached by another connection.
    Info {
        /// The session.
        session_id: String,
        /// What has changed.
        status: String,
    },
    /// Either side: it is over.
    Terminate {
        /// The session.
        session_id: String,
        /// Only this conversation: the session stays, and may carry another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<String>,
        /// Why.
        reason: String,
        /// SHA-256 over the Opus payloads that the softphone sent, in hexadecimal: with it the
        /// platform can tell whether what it recorded is what was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
}

/// What a session is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallMedia {
    /// Audio.
    #[default]
    Audio,
    /// Nothing: the session is signalling only.
    None,
}

impl CallMedia {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks for a reference"
    )]
    fn is_audio(&self) -> bool {
        *self == Self::Audio
    }
}

/// What becomes of a session when its connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallConnection {
    /// It ends.
    #[default]
    PerCall,
    /// Its media goes on, and for a time the softphone may come back to it.
    Persistent,
}

impl CallConnection {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks for a reference"
    )]
    fn is_per_call(&self) -> bool {
        *self == Self::PerCall
    }
}

/// JSON-RPC's error object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// JSON-RPC's number for the kind of error.
    pub code: i64,
    /// What went wrong.
    pub message: String,
}

impl RpcError {
    /// The frame was not JSON.
    pub const PARSE: i64 = -32_700;
    /// The frame was JSON and not a request.
    pub const REQUEST: i64 = -32_600;
    /// No such method.
    pub const METHOD: i64 = -32_601;
    /// The parameters do not fit the method.
    pub const PARAMS: i64 = -32_602;
    /// The server cannot do it, now or in this state.
    pub const SERVER: i64 = -32_000;

    /// An error of that kind.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

/// One frame, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A request or notification; `id` is null for a notification.
    Method {
        /// The sender's id, to be repeated in an error.
        id: Value,
        /// What it asks.
        method: Method,
    },
    /// The other side refused something.
    Error(RpcError),
    /// The other side confirmed something; nothing here waits for that.
    Result,
}

const METHODS: [&str; 9] = [
    "call",
    "reconnect",
    "propose",
    "proceed",
    "offer",
    "answer",
    "iceCandidate",
    "info",
    "terminate",
];

/// Takes a frame apart.
///
/// # Errors
/// The sender's id, or null where it cannot be told, and the error that it should get.
pub fn parse(frame: &str) -> Result<Incoming, (Value, RpcError)> {
    let value: Value = serde_json::from_str(frame).map_err(|error| {
        (
            Value::Null,
            RpcError::new(RpcError::PARSE, format!("not JSON: {error}")),
        )
    })?;
    let id = match &value["id"] {
        id @ (Value::Number(_) | Value::String(_)) => id.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Value::Null,
    };
    let fail = |code, message: String| Err((id.clone(), RpcError::new(code, message)));
    if value["jsonrpc"] != "2.0" {
        return fail(RpcError::REQUEST, "jsonrpc must be \"2.0\"".to_owned());
    }
    if let Some(error) = value.get("error") {
        return match RpcError::deserialize(error) {
            Ok(error) => Ok(Incoming::Error(error)),
            Err(error) => fail(RpcError::REQUEST, format!("not an error object: {error}")),
        };
    }
    let Some(name) = value["method"].as_str() else {
        if value.get("result").is_some() {
            return Ok(Incoming::Result);
        }
        return fail(RpcError::REQUEST, "there is no method".to_owned());
    };
    if !METHODS.contains(&name) {
        // The name comes from outside and is shown cut short.
        let name: String = name.chars().take(40).collect();
        return fail(RpcError::METHOD, format!("there is no method {name:?}"));
    }
    match Method::deserialize(&value) {
        Ok(method) => Ok(Incoming::Method { id, method }),
        Err(error) => fail(RpcError::PARAMS, error.to_string()),
    }
}

/// A frame with a method; the id only has to be unique for the sender.
#[must_use]
pub fn frame(id: u64, method: &Method) -> String {
    let mut value = serde_json::to_value(method).unwrap_or_default();
    value["jsonrpc"] = json!("2.0");
    value["id"] = json!(id);
    value.to_string()
}

/// A frame with an error.
#[must_use]
pub fn error_frame(id: &Value, error: &RpcError) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// JSON of any shape, with the words of the protocol among its keys and strings.
    fn json_of_any_shape() -> impl Strategy<Value = Value> {
        let words = prop_oneof![
            Just("jsonrpc"),
            Just("2.0"),
            Just("method"),
            Just("params"),
            Just("id"),
            Just("error"),
            Just("result"),
            Just("offer"),
            Just("sessionId"),
        ];
        let text = prop_oneof![words.prop_map(str::to_owned), ".{0,12}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..6)
                    .prop_map(|map| map.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_frame_is_taken_apart_or_refused_with_a_code_of_the_protocol(
            value in json_of_any_shape(),
            name in prop::sample::select(&METHODS[..]),
            text in ".{0,60}",
        ) {
            let mut dressed = json!({ "jsonrpc": "2.0", "id": value, "method": name, "params": value });
            let frames = [value.to_string(), dressed.to_string(), text];
            dressed["error"] = value.clone();
            for frame in frames.iter().chain([&dressed.to_string()]) {
                if let Err((id, error)) = parse(frame) {
                    prop_assert!(id.is_null() || id.is_number() || id.is_string());
                    prop_assert!((-32_700..=-32_600).contains(&error.code), "{}", error);
                    // What goes back is a frame again.
                    let back = parse(&error_frame(&id, &error));
                    prop_assert!(matches!(back, Ok(Incoming::Error(same)) if same == error));
                }
            }
        }

        #[test]
        fn any_text_comes_back_as_it_was_written(a in ".{0,40}", b in "(?s).{0,200}", id in any::<u64>()) {
            let method = Method::Offer {
                session_id: a.clone(),
                conversation_id: a,
                sdp: b,
            };
            let back = parse(&frame(id, &method)).unwrap();
            prop_assert_eq!(back, Incoming::Method { id: Value::from(id), method });
        }
    }

    fn code(frame: &str) -> (Value, i64) {
        let (id, error) = parse(frame).unwrap_err();
        (id, error.code)
    }

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        let method = Method::Offer {
            session_id: "s".to_owned(),
            conversation_id: "c".to_owned(),
            sdp: "v=0\r\n".to_owned(),
        };
        let text = frame(7, &method);
        assert!(
            text.contains(r#""method":"offer""#) && text.contains(r#""conversationId":"c""#),
            "{text}"
        );
        assert_eq!(
            parse(&text),
            Ok(Incoming::Method {
                id: json!(7),
                method
            })
        );
    }

    #[test]
    fn every_kind_of_garbage_has_its_own_error() {
        assert_eq!(code("nonsense"), (Value::Null, RpcError::PARSE));
        assert_eq!(code("[]"), (Value::Null, RpcError::REQUEST));
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1}"#),
            (json!(1), RpcError::REQUEST)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":"a","method":"dance"}"#),
            (json!("a"), RpcError::METHOD)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":2,"method":"call"}"#),
            (json!(2), RpcError::PARAMS)
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","method":"call","params":{"conversationId":5}}"#),
            (Value::Null, RpcError::PARAMS)
        );
    }

    #[test]
    fn errors_and_results_are_told_from_methods() {
        let error = RpcError::new(RpcError::SERVER, "full");
        assert_eq!(
            parse(&error_frame(&json!(3), &error)),
            Ok(Incoming::Error(error))
        );
        assert_eq!(
            parse(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
            Ok(Incoming::Result)
        );
    }
}
