//! A call to a WHIP endpoint that is not ours: we offer, it answers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mock_api::targets::Targets;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant as TokioInstant, timeout, timeout_at};

use super::endpoint::{Answered, Command};
use super::phone::{Finished, Progress};
use super::{CallEnd, CallOutcome, CallStage, Dial, Softphones};

/// The longest answer that is read.
const BODY_MAX: usize = 64 * 1024;
/// How long a server may take to let go.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long after the hang-up the media thread may take to say that it is done.
const GRACE: Duration = Duration::from_millis(500);

/// A call as far as it has come.
struct Call<'a> {
    phones: &'a Softphones,
    dial: &'a Dial,
    http: Client<HttpConnector, Full<Bytes>>,
    stage: CallStage,
    ordinal: Option<u32>,
    /// Where the session is to be deleted.
    session: Option<Uri>,
}

pub(super) async fn place(phones: &Softphones, url: &str, dial: Dial) -> CallOutcome {
    let mut call = Call {
        phones,
        dial: &dial,
        http: Client::builder(TokioExecutor::new()).build_http(),
        stage: CallStage::Connect,
        ordinal: None,
        session: None,
    };
    let hang_up_at = TokioInstant::from_std(dial.hang_up_at);
    let (sender, progress) = mpsc::channel(4);
    let mut ended = Ended::default();
    match timeout_at(hang_up_at, call.set_up(url, sender)).await {
        Ok(Ok(())) => call.talk(progress, &mut ended).await,
        Ok(Err(cause)) => ended.cause = Some(cause),
        Err(_) => ended.cause = Some("not set up when it was time to hang up".to_owned()),
    }
    call.let_go().await;
    call.outcome(ended)
}

#[derive(Default)]
struct Ended {
    established_at: Option<Instant>,
    finished: Option<Finished>,
    cause: Option<String>,
}

impl Call<'_> {
    async fn set_up(&mut self, url: &str, progress: mpsc::Sender<Progress>) -> Result<(), String> {
        let url: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let (reply, invited) = oneshot::channel();
        self.command(Command::Invite { reply }).await?;
        let invited = invited.await.map_err(|_| STOPPED)?;
        let Answered { ordinal, sdp } = invited.map_err(|error| error.to_string())?;
        self.ordinal = Some(ordinal);
        self.stage = CallStage::Offer;
        let request = Request::post(&url)
            .header(header::CONTENT_TYPE, "application/sdp")
            .body(Full::new(Bytes::from(sdp)));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| chain(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        if head.status != StatusCode::CREATED {
            return Err(format!("the server answered {}: {body:.200}", head.status));
        }
        let location = head.headers.get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok());
        self.session = Some(resolve(
            &url,
            location.ok_or("the answer has no Location")?,
        )?);
        self.stage = CallStage::Answer;
        let (reply, connected) = oneshot::channel();
        self.command(Command::Connect {
            ordinal,
            dial: self.dial.clone(),
            answer: body,
            progress,
            reply,
        })
        .await?;
        let connected = connected.await.map_err(|_| STOPPED)?;
        connected.map_err(|error| error.to_string())?;
        self.stage = CallStage::Path;
        Ok(())
    }

    async fn command(&self, command: Command) -> Result<(), String> {
        let sent = self.phones.commands.send(command).await;
        sent.map_err(|_| STOPPED.to_owned())
    }

    /// Waits until the phone has hung up; it does so by itself.
    async fn talk(&mut self, mut progress: mpsc::Receiver<Progress>, ended: &mut Ended) {
        let latest = TokioInstant::from_std(self.dial.hang_up_at) + GRACE;
        while let Ok(Some(news)) = timeout_at(latest, progress.recv()).await {
            match news {
                Progress::PathFound => self.stage = self.stage.max(CallStage::Handshake),
                Progress::Established(at) => ended.established_at = Some(at),
                Progress::Finished(finished) => {
                    ended.finished = Some(finished);
                    return;
                }
            }
        }
        ended.cause = Some("the media thread did not hang up in time".to_owned());
    }

    /// Deletes the session, and frees what is left of the phone.
    async fn let_go(&mut self) {
        if let Some(ordinal) = self.ordinal {
            // If the media thread is gone, there is nothing to free.
            drop(self.command(Command::HangUp { ordinal }).await);
        }
        let Some(session) = self.session.take() else {
            return;
        };
        let request = Request::builder().method(Method::DELETE).uri(session);
        if let Ok(request) = request.body(Full::default()) {
            // Whatever the server does now, the call is over.
            drop(timeout(GOODBYE, self.http.request(request)).await);
        }
    }

    fn outcome(self, ended: Ended) -> CallOutcome {
        let finished = ended.finished.unwrap_or_else(Finished::of_silence);
        let departure = finished.departure;
        let end = match (ended.established_at, ended.cause) {
            (None, cause) => CallEnd::NotEstablished {
                stage: self.stage,
                cause: cause.unwrap_or_else(|| "no path to the server".to_owned()),
            },
            (Some(_), None) if departure.is_none() => CallEnd::HungUp,
            (Some(_), _) => CallEnd::CutOff { departure },
        };
        CallOutcome {
            conversation_id: self.dial.conversation_id.clone(),
            session_id: None,
            established_at: ended.established_at,
            ended_at: finished.at,
            packets_sent: finished.packets_sent,
            digest_sent: finished.digest_sent,
            payloads: finished.payloads,
            acts: 0,
            end,
        }
    }
}

const STOPPED: &str = "the softphones have stopped";

/// An absolute URL, or a path on the endpoint's own server.
fn resolve(endpoint: &Uri, location: &str) -> Result<Uri, String> {
    let bad = |error: &dyn std::fmt::Display| format!("the Location {location} is no URL: {error}");
    let target: Uri = location.parse().map_err(|error| bad(&error))?;
    if target.host().is_some() {
        // Who answers decides nothing about where else is connected to.
        let admitted = Targets::loopback().admit(location);
        return admitted.map_err(|refused| format!("the Location {refused}"));
    }
    let mut parts = endpoint.clone().into_parts();
    parts.path_and_query = target.path_and_query().cloned();
    Uri::from_parts(parts).map_err(|error| bad(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_absolute_or_of_the_endpoints_server() {
        let endpoint: Uri = "http://127.0.0.1:99/whip?room=1".parse().unwrap();
        let of = |location| resolve(&endpoint, location).map(|uri| uri.to_string());
        assert_eq!(of("/whip/7").unwrap(), "http://127.0.0.1:99/whip/7");
        assert_eq!(of("http://127.0.0.2/x").unwrap(), "http://127.0.0.2/x");
        for elsewhere in [
            "http://192.0.2.1/x",
            "//192.0.2.1/x",
            "http://s3cret@127.0.0.1/x",
        ] {
            let refused = of(elsewhere).unwrap_err();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
        assert!(of("\u{1}").is_err());
    }
}
