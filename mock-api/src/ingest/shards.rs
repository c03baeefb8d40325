//! The ingests of a server that runs several shards: one each, with a port of its own.

use std::net::SocketAddrV4;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use racegate_media::Stack;
use racegate_udp::{BindError, Station};

use super::endpoint::IngestEndpoint;
use super::events::SessionEvents;
use super::handle::{Ingest, IngestCounters, IngestSettings};

/// A handle on all of them; clones reach the same ones. A session stays where it was made.
#[derive(Debug, Clone)]
pub struct IngestShards {
    all: Arc<[Ingest]>,
    turn: Arc<AtomicUsize>,
}

impl IngestShards {
    /// Binds a media port for each shard, and makes the endpoints that serve them, in the order of the shards. A port that is given is
    /// the first shard's, and the next ones follow it.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn bind(
        settings: &IngestSettings,
        shards: NonZeroUsize,
        stack: &Arc<dyn Stack>,
        events: &Arc<dyn SessionEvents>,
    ) -> Result<(Self, Vec<Station>), BindError> {
        let mut stations = Vec::new();
        let mut all = Vec::new();
        for settings in each(settings, shards) {
            let (ingest, station) = Ingest::bind(&settings, Arc::clone(stack), Arc::clone(events))?;
            all.push(ingest);
            stations.push(station);
        }
        Ok((Self::of(all), stations))
    }

    /// The same without sockets; all have the address of the settings.
    #[must_use]
    pub fn detached(
        settings: &IngestSettings,
        shards: NonZeroUsize,
        stack: &Arc<dyn Stack>,
        events: &Arc<dyn SessionEvents>,
    ) -> (Self, Vec<IngestEndpoint>) {
        let made = each(settings, shards).map(|each| {
            let (stack, events) = (Arc::clone(stack), Arc::clone(events));
            Ingest::detached(&each, settings.address, stack, events)
        });
        let (all, endpoints) = made.unzip();
        (Self::of(all), endpoints)
    }

    fn of(mut all: Vec<Ingest>) -> Self {
        if let Some((first, others)) = all.split_first_mut() {
            others.iter_mut().for_each(|other| other.join(first));
        }
        Self {
            all: all.into(),
            turn: Arc::default(),
        }
    }

    /// The ingest of that shard.
    #[must_use]
    pub fn get(&self, shard: usize) -> Option<&Ingest> {
        self.all.get(shard)
    }

    /// An ingest for a caller that does not mind which: each has its turn.
    #[must_use]
    pub fn any(&self) -> &Ingest {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.all[turn % self.all.len()]
    }

    /// All of them, by shard.
    pub fn iter(&self) -> impl Iterator<Item = &Ingest> {
        self.all.iter()
    }

    /// What all of them have counted.
    #[must_use]
    pub fn counters(&self) -> IngestCounters {
        self.iter()
            .map(Ingest::counters)
            .fold(IngestCounters::default(), IngestCounters::plus)
    }
}

impl From<Ingest> for IngestShards {
    fn from(only: Ingest) -> Self {
        Self::of(vec![only])
    }
}

/// Each shard's share of the settings.
fn each(
    settings: &IngestSettings,
    shards: NonZeroUsize,
) -> impl Iterator<Item = IngestSettings> + use<'_> {
    (0..shards.get()).map(move |shard| {
        let port = match settings.address.port() {
            0 => 0,
            first => first.saturating_add(u16::try_from(shard).unwrap_or(u16::MAX)),
        };
        IngestSettings {
            address: SocketAddrV4::new(*settings.address.ip(), port),
            sessions_max: settings.sessions_max.div_ceil(shards.get()),
            ..settings.clone()
        }
    })
}
