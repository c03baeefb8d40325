//! What the ingest records, on its way into storage: media threads hand over parts and ends and go on, and one thread puts them where
//! they belong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::ingest::{EndedMedia, NoRoom, TakeNumber};
use crate::storage::{MediaUpload, Store, StoreError};

/// Bytes that may wait: nearly two seconds' audio of 6,000 calls at 48 kbit/s.
const WAITING_MAX: u64 = 64 << 20;

/// What is handed over.
enum Item {
    Part(TakeNumber, Bytes),
    Ended(Box<EndedMedia>),
    /// Everything before it has been dealt with.
    Flush(oneshot::Sender<()>),
}

/// The way in; clones lead to the same place.
#[derive(Clone)]
pub(crate) struct Archive {
    items: Sender<Item>,
    waiting: Arc<AtomicU64>,
    most: u64,
}

/// Deals with a conversation that is over and with its recording, which is an error if storage did not take all of it.
pub(crate) trait Keeper: Send + 'static {
    fn keep(&mut self, ended: EndedMedia, recording: Result<MediaUpload, StoreError>);
}

impl Archive {
    /// Starts the thread; it ends when the last clone is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(store: Store, keeper: impl Keeper) -> std::io::Result<Self> {
        let (archive, items) = Self::new(WAITING_MAX);
        let waiting = Arc::clone(&archive.waiting);
        std::thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || run(&items, &waiting, &store, keeper))?;
        Ok(archive)
    }

    fn new(most: u64) -> (Self, Receiver<Item>) {
        let (items, inbox) = mpsc::channel();
        let archive = Self {
            items,
            waiting: Arc::default(),
            most,
        };
        (archive, inbox)
    }

    /// Hands over a part, unless too much waits.
    pub(crate) fn part(&self, take: TakeNumber, part: Bytes) -> Result<(), NoRoom> {
        let length = part.len() as u64;
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        if before + length > self.most {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            return Err(NoRoom);
        }
        // The thread ends after us.
        self.items.send(Item::Part(take, part)).map_err(|_| NoRoom)
    }

    /// Hands over an end, which always finds room: there is one for each conversation, with a part at most.
    pub(crate) fn ended(&self, media: EndedMedia) {
        if self.items.send(Item::Ended(Box::new(media))).is_err() {
            tracing::error!("the archive has stopped; a recording is lost");
        }
    }

    /// Waits until all that was handed over has been dealt with.
    pub(crate) async fn flushed(&self) {
        let (reply, done) = oneshot::channel();
        // A thread that is gone has nothing left to do.
        drop(self.items.send(Item::Flush(reply)));
        drop(done.await);
    }
}

fn run(items: &Receiver<Item>, waiting: &AtomicU64, store: &Store, mut keeper: impl Keeper) {
    let mut open = BTreeMap::new();
    while let Ok(item) = items.recv() {
        match item {
            Item::Part(take, part) => {
                waiting.fetch_sub(part.len() as u64, Ordering::Relaxed);
                append(open.entry(take), store, part);
            }
            Item::Ended(mut media) => {
                append(
                    open.entry(media.take),
                    store,
                    std::mem::take(&mut media.tail),
                );
                if let Some(recording) = open.remove(&media.take) {
                    keeper.keep(*media, recording);
                }
            }
            // Whoever waited may have given up.
            Item::Flush(reply) => drop(reply.send(())),
        }
    }
}

type Open<'a> = std::collections::btree_map::Entry<'a, TakeNumber, Result<MediaUpload, StoreError>>;

/// A recording of which a part could not be stored is of no use any more: what there was of it is let go.
fn append(open: Open<'_>, store: &Store, part: Bytes) {
    let recording = open.or_insert_with(|| Ok(store.begin_media()));
    if let Ok(upload) = recording
        && let Err(error) = upload.append(&part)
    {
        *recording = Err(error);
    }
}
