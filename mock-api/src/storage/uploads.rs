//! What is done at an S3 of somebody else's, step by step.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMultipartOptions,
    PutOptions, PutPayload,
};
use parking_lot::Mutex;

use super::object;
use super::pieces::Pieces;
use super::usage::Reservation;

/// One thing to be done.
pub(super) enum Step {
    Put {
        key: String,
        body: Pieces,
        content_type: String,
    },
    /// Put together when its turn comes: it tells what became of what went before.
    PutLast {
        key: String,
        body: Box<dyn FnOnce() -> Bytes + Send>,
    },
    /// Charged until it is there.
    Part {
        flow: u64,
        body: Pieces,
        _charge: Reservation,
    },
    Finish {
        flow: u64,
        rest: Pieces,
        to: String,
        _charge: Reservation,
    },
    GiveUp {
        flow: u64,
    },
    Copy {
        from: String,
        to: String,
    },
    Delete {
        key: String,
    },
}

impl Step {
    /// What it asks for, and the key that it is about.
    pub(super) fn target(&self) -> (&'static str, String) {
        match self {
            Self::Put { key, .. } | Self::PutLast { key, .. } => ("PUT", key.clone()),
            Self::Copy { to, .. } | Self::Finish { to, .. } => ("PUT", to.clone()),
            Self::Part { flow, .. } => ("PUT", flow_key(*flow).into()),
            Self::GiveUp { flow } => ("DELETE", flow_key(*flow).into()),
            Self::Delete { key } => ("DELETE", key.clone()),
        }
    }
}

/// Where a recording grows whose number is not known yet.
fn flow_key(flow: u64) -> Path {
    Path::from(format!("recordings/growing/{flow}.ogg"))
}

/// The bucket, and what is growing in it.
pub(super) struct Uploads {
    pub(super) store: AmazonS3,
    /// Recordings that grow; none in place of one that a step is busy with, and of one of which a
    /// part is missing: of that nothing more is sent.
    open: Mutex<BTreeMap<u64, Growing>>,
}

type Growing = Option<Box<dyn MultipartUpload>>;

impl Uploads {
    pub(super) fn new(store: AmazonS3) -> Self {
        Self {
            store,
            open: Mutex::default(),
        }
    }

    /// Does a step. Dropped before it is done, it leaves what grew as something that is missing a
    /// part.
    pub(super) async fn take(&self, step: Step) -> Result<(), object_store::Error> {
        let store = &self.store;
        match step {
            Step::Put {
                key,
                body,
                content_type,
            } => {
                let body = body.into_iter().collect();
                put(store, &key, body, content_type).await
            }
            Step::PutLast { key, body } => {
                let kind = object::Attributes::JSON.content_type.into_owned();
                put(store, &key, body().into(), kind).await
            }
            Step::Part {
                flow,
                body,
                _charge,
            } => self.grow(flow, body).await,
            Step::Finish {
                flow,
                rest,
                to,
                _charge,
            } => self.finish(flow, rest, &Path::parse(&to)?).await,
            Step::GiveUp { flow } => {
                let upload = self.open.lock().remove(&flow).flatten();
                match upload {
                    Some(mut upload) => upload.abort().await,
                    None => Ok(()),
                }
            }
            Step::Copy { from, to } => store.copy(&Path::parse(&from)?, &Path::parse(&to)?).await,
            Step::Delete { key } => store.delete(&Path::parse(&key)?).await,
        }
    }

    async fn grow(&self, flow: u64, body: Pieces) -> Result<(), object_store::Error> {
        let upload = self.open.lock().insert(flow, None);
        let mut upload = match upload {
            Some(Some(upload)) => upload,
            Some(None) => return Ok(()),
            None => {
                let kind = object::Attributes::AUDIO.content_type.into_owned();
                let options = PutMultipartOptions::from(of_type(kind));
                let key = flow_key(flow);
                self.store.put_multipart_opts(&key, options).await?
            }
        };
        match upload.put_part(body.into_iter().collect()).await {
            Ok(()) => {
                self.open.lock().insert(flow, Some(upload));
                Ok(())
            }
            Err(error) => {
                let aborted = upload.abort().await;
                drop(aborted.inspect_err(|error| tracing::error!(%error, "parts stay there")));
                Err(error)
            }
        }
    }

    async fn finish(&self, flow: u64, rest: Pieces, to: &Path) -> Result<(), object_store::Error> {
        let grown = if rest.len() > 0 {
            self.grow(flow, rest).await
        } else {
            Ok(())
        };
        // What was refused was reported when it was.
        let upload = self.open.lock().remove(&flow).flatten();
        grown?;
        let Some(mut upload) = upload else {
            return Ok(());
        };
        upload.complete().await?;
        let from = flow_key(flow);
        self.store.copy(&from, to).await?;
        self.store.delete(&from).await
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}

async fn put(
    store: &AmazonS3,
    key: &str,
    body: PutPayload,
    content_type: String,
) -> Result<(), object_store::Error> {
    let options = PutOptions::from(of_type(content_type));
    let path = Path::parse(key)?;
    store.put_opts(&path, body, options).await.map(drop)
}

fn of_type(content_type: String) -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, content_type)])
}
