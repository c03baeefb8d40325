//! The channels: who has which, what each listens to, and the connection that it feeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use racegate_model::ids::TenantIndex;
use racegate_model::time::Timestamp;
use tokio::sync::mpsc;

use super::restores::Restores;
use super::topics::Topic;
use crate::http::clients::ClientIndex;
use crate::http::config::ChannelLimits;
use crate::http::ids::Uuid;

/// All channels.
#[derive(Debug)]
pub(in crate::http) struct Hub {
    limits: ChannelLimits,
    known: Mutex<Known>,
    lost: AtomicU64,
    pumping: AtomicBool,
    restores: Arc<Restores>,
}

#[derive(Debug, Default)]
struct Known {
    channels: BTreeMap<Uuid, Entry>,
    by_client: BTreeMap<ClientIndex, Vec<Uuid>>,
    listeners: BTreeMap<(TenantIndex, Topic), BTreeSet<Uuid>>,
    connections: u64,
}

#[derive(Debug)]
struct Entry {
    tenant: TenantIndex,
    client: ClientIndex,
    expires_at: Timestamp,
    used_at: Timestamp,
    /// In the words in which they were asked for.
    topics: BTreeMap<String, Topic>,
    connection: Option<Connection>,
}

/// The connection of a channel.
#[derive(Debug)]
struct Connection {
    number: u64,
    sender: mpsc::Sender<String>,
}

/// The other end of a channel's connection. It ends when the channel does or when another
/// connection takes its place.
#[derive(Debug)]
pub(in crate::http) struct Feed {
    pub(in crate::http) number: u64,
    pub(in crate::http) messages: mpsc::Receiver<String>,
}

/// A channel as its owner sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) struct ChannelView {
    pub(in crate::http) id: Uuid,
    pub(in crate::http) expires_at: Timestamp,
}

/// Why topics were not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum SubscribeError {
    NoChannel,
    TooMany,
}

/// Whether topics come beside those that a channel has, or instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum Subscribing {
    Adding,
    Replacing,
}

impl Hub {
    pub(in crate::http) fn new(limits: ChannelLimits) -> Self {
        Self {
            limits,
            known: Mutex::default(),
            lost: AtomicU64::new(0),
            pumping: AtomicBool::new(false),
            restores: Arc::default(),
        }
    }

    /// Recordings on their way back from the archive.
    pub(in crate::http) const fn restores(&self) -> &Arc<Restores> {
        &self.restores
    }

    /// True once: then somebody has to feed the channels.
    pub(in crate::http) fn must_be_fed(&self) -> bool {
        !self.pumping.swap(true, Ordering::AcqRel)
    }

    /// A new channel. One too many pushes another out: one without a connection first, of those
    /// the one that was used longest ago.
    pub(in crate::http) fn create(
        &self,
        id: Uuid,
        (tenant, client): (TenantIndex, ClientIndex),
        now: Timestamp,
    ) -> ChannelView {
        let expires_at = now + self.limits.life;
        let mut known = self.known.lock();
        known.expire(client, now);
        let held = known.by_client.get(&client).map_or(0, Vec::len);
        for _ in self.limits.per_client.max(1)..=held {
            known.evict_one(client);
        }
        known.by_client.entry(client).or_default().push(id);
        known.channels.insert(
            id,
            Entry {
                tenant,
                client,
                expires_at,
                used_at: now,
                topics: BTreeMap::new(),
                connection: None,
            },
        );
        ChannelView { id, expires_at }
    }

    /// The channels of a client, in the order in which they were made.
    pub(in crate::http) fn of(&self, client: ClientIndex, now: Timestamp) -> Vec<ChannelView> {
        let mut known = self.known.lock();
        known.expire(client, now);
        let ids = known.by_client.get(&client).into_iter().flatten();
        ids.filter_map(|id| {
            let expires_at = known.channels.get(id)?.expires_at;
            Some(ChannelView {
                id: *id,
                expires_at,
            })
        })
        .collect()
    }

    /// What a channel of the client listens to.
    pub(in crate::http) fn topics(
        &self,
        client: ClientIndex,
        id: &str,
        now: Timestamp,
    ) -> Option<Vec<String>> {
        let mut known = self.known.lock();
        let (_, entry) = known.own(client, id, now)?;
        Some(entry.topics.keys().cloned().collect())
    }

    /// Subscribes a channel, which lives on from now.
    pub(in crate::http) fn subscribe(
        &self,
        client: ClientIndex,
        id: &str,
        topics: Vec<(String, Topic)>,
        (how, now): (Subscribing, Timestamp),
    ) -> Result<(), SubscribeError> {
        let mut known = self.known.lock();
        let (id, entry) = known
            .own(client, id, now)
            .ok_or(SubscribeError::NoChannel)?;
        let mut wanted = match how {
            Subscribing::Adding => entry.topics.clone(),
            Subscribing::Replacing => BTreeMap::new(),
        };
        wanted.extend(topics);
        if wanted.len() > self.limits.topics {
            return Err(SubscribeError::TooMany);
        }
        entry.expires_at = now + self.limits.life;
        entry.used_at = now;
        known.listen(id, wanted);
        Ok(())
    }

    /// The channel of that id gets a connection; one that it had ends.
    pub(in crate::http) fn connect(&self, id: &str, now: Timestamp) -> Option<Feed> {
        let id = Uuid::parse(id)?;
        let mut known = self.known.lock();
        known.connections += 1;
        let number = known.connections;
        let entry = known.channels.get_mut(&id)?;
        if entry.expires_at <= now {
            return None;
        }
        entry.used_at = now;
        let (sender, messages) = mpsc::channel(self.limits.queue.max(1));
        entry.connection = Some(Connection { number, sender });
        Some(Feed { number, messages })
    }

    /// A connection has ended by itself.
    pub(in crate::http) fn disconnected(&self, id: &str, number: u64, now: Timestamp) {
        let mut known = self.known.lock();
        let entry = Uuid::parse(id).and_then(|id| known.channels.get_mut(&id));
        if let Some(entry) = entry
            && entry
                .connection
                .as_ref()
                .is_some_and(|c| c.number == number)
        {
            entry.connection = None;
            entry.used_at = now;
        }
    }

    /// Whose channel that is.
    pub(in crate::http) fn owner(&self, id: &str) -> Option<TenantIndex> {
        let known = self.known.lock();
        let entry = known.channels.get(&Uuid::parse(id)?)?;
        Some(entry.tenant)
    }

    /// When the channel ends, unless it is subscribed again.
    pub(in crate::http) fn expiry(&self, id: &str) -> Option<Timestamp> {
        let known = self.known.lock();
        known
            .channels
            .get(&Uuid::parse(id)?)
            .map(|entry| entry.expires_at)
    }

    /// Whether anybody of the tenant listens to any of these.
    pub(in crate::http) fn is_heard(&self, tenant: TenantIndex, topic: Topic) -> bool {
        self.known.lock().listeners.contains_key(&(tenant, topic))
    }

    /// Sends what `frame` makes for each channel of the tenant that listens to `topic`. What has
    /// no room on its way is lost, and so is what nobody is connected for.
    pub(in crate::http) fn publish(
        &self,
        tenant: TenantIndex,
        topic: Topic,
        mut frame: impl FnMut(ClientIndex) -> String,
    ) {
        let known = self.known.lock();
        let listeners = known.listeners.get(&(tenant, topic)).into_iter().flatten();
        for id in listeners {
            let Some(entry) = known.channels.get(id) else {
                continue;
            };
            let Some(connection) = &entry.connection else {
                continue;
            };
            if connection.sender.try_send(frame(entry.client)).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Ends the channels of a tenant, or all, with their connections.
    pub(in crate::http) fn clear(&self, tenant: Option<TenantIndex>) {
        let mut known = self.known.lock();
        let meant = known
            .channels
            .iter()
            .filter(|(_, entry)| tenant.is_none_or(|tenant| tenant == entry.tenant));
        let meant: Vec<Uuid> = meant.map(|(id, _)| *id).collect();
        for id in meant {
            known.remove(id);
        }
    }

    /// Cuts every connection, as a fault; the channels stay. Returns how many there were.
    pub(in crate::http) fn cut_all(&self) -> usize {
        let mut known = self.known.lock();
        let connections = known
            .channels
            .values_mut()
            .filter_map(|entry| entry.connection.take());
        connections.count()
    }
}

impl Known {
    /// A channel of that client that has not expired.
    fn own(&mut self, client: ClientIndex, id: &str, now: Timestamp) -> Option<(Uuid, &mut Entry)> {
        let id = Uuid::parse(id)?;
        let entry = self.channels.get_mut(&id)?;
        (entry.client == client && now < entry.expires_at).then_some((id, entry))
    }

    fn listen(&mut self, id: Uuid, wanted: BTreeMap<String, Topic>) {
        let Some(entry) = self.channels.get_mut(&id) else {
            return;
        };
        let tenant = entry.tenant;
        let before: BTreeSet<Topic> = entry.topics.values().copied().collect();
        let after: BTreeSet<Topic> = wanted.values().copied().collect();
        entry.topics = wanted;
        for topic in before.difference(&after) {
            self.unlisten(tenant, *topic, id);
        }
        for topic in after.difference(&before) {
            self.listeners
                .entry((tenant, *topic))
                .or_default()
                .insert(id);
        }
    }

    fn unlisten(&mut self, tenant: TenantIndex, topic: Topic, id: Uuid) {
        if let Some(listeners) = self.listeners.get_mut(&(tenant, topic)) {
            listeners.remove(&id);
            if listeners.is_empty() {
                self.listeners.remove(&(tenant, topic));
            }
        }
    }

    fn remove(&mut self, id: Uuid) {
        self.listen(id, BTreeMap::new());
        let Some(entry) = self.channels.remove(&id) else {
            return;
        };
        if let Some(held) = self.by_client.get_mut(&entry.client) {
            held.retain(|known| *known != id);
            if held.is_empty() {
                self.by_client.remove(&entry.client);
            }
        }
    }

    fn expire(&mut self, client: ClientIndex, now: Timestamp) {
        let held = self.by_client.get(&client).into_iter().flatten();
        let expired: Vec<Uuid> = held
            .filter(|id| {
                self.channels
                    .get(id)
                    .is_some_and(|entry| entry.expires_at <= now)
            })
            .copied()
            .collect();
        for id in expired {
            self.remove(id);
        }
    }

    fn evict_one(&mut self, client: ClientIndex) {
        let held = self.by_client.get(&client).into_iter().flatten();
        let oldest = held
            .filter_map(|id| {
                let entry = self.channels.get(id)?;
                Some((entry.connection.is_some(), entry.used_at, *id))
            })
            .min();
        if let Some((_, _, id)) = oldest {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use racegate_model::time::Duration;

    use super::*;

    const TENANT: TenantIndex = TenantIndex(0);

    fn id(nth: u64) -> Uuid {
        Uuid::of(u128::from(nth) << 80)
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(secs)
    }

    fn hub() -> (Hub, ClientIndex) {
        (Hub::new(ChannelLimits::default()), ClientIndex::default())
    }

    fn subscribe(hub: &Hub, client: ClientIndex, nth: u64, now: Timestamp) {
        let topics = vec![("channel.metadata".to_owned(), Topic::Heartbeat)];
        let how = (Subscribing::Adding, now);
        hub.subscribe(client, &id(nth).to_string(), topics, how)
            .unwrap();
    }

    #[test]
    fn the_twenty_first_channel_pushes_out_an_unconnected_one_first() {
        let (hub, client) = hub();
        for nth in 0..20 {
            hub.create(id(nth), (TENANT, client), at(nth));
        }
        let feed = hub.connect(&id(0).to_string(), at(0)).unwrap();
        hub.create(id(20), (TENANT, client), at(30));
        let ids: Vec<Uuid> = hub.of(client, at(30)).iter().map(|view| view.id).collect();
        let expected: Vec<Uuid> = [0].into_iter().chain(2..=20).map(id).collect();
        assert_eq!(ids, expected);
        assert!(!feed.messages.is_closed());
    }

    #[test]
    fn with_all_connected_the_one_used_longest_ago_is_cut() {
        let (hub, client) = hub();
        let mut feeds = Vec::new();
        for nth in 0..20 {
            hub.create(id(nth), (TENANT, client), at(0));
            feeds.push(hub.connect(&id(nth).to_string(), at(20 - nth)).unwrap());
        }
        hub.create(id(20), (TENANT, client), at(30));
        let cut: Vec<usize> = (0..20)
            .filter(|at| feeds[*at].messages.is_closed())
            .collect();
        assert_eq!(cut, [19]);
    }

    #[test]
    fn a_channel_lives_a_day_from_its_last_subscription() {
        let (hub, client) = hub();
        hub.create(id(1), (TENANT, client), at(0));
        subscribe(&hub, client, 1, at(1000));
        let text = id(1).to_string();
        assert!(hub.topics(client, &text, at(87_399)).is_some());
        assert!(hub.topics(client, &text, at(87_400)).is_none());
        assert!(hub.connect(&text, at(87_400)).is_none());
        assert!(hub.of(client, at(87_400)).is_empty());
        hub.publish(TENANT, Topic::Heartbeat, |_| unreachable!("nobody is left"));
    }

    #[test]
    fn what_nobody_is_connected_for_or_has_no_room_is_lost() {
        let (hub, client) = hub();
        hub.create(id(1), (TENANT, client), at(0));
        subscribe(&hub, client, 1, at(0));
        hub.publish(TENANT, Topic::Heartbeat, |_| "early".to_owned());
        let mut feed = hub.connect(&id(1).to_string(), at(0)).unwrap();
        for nth in 0..300 {
            hub.publish(TENANT, Topic::Heartbeat, |_| nth.to_string());
        }
        let mut seen = Vec::new();
        while let Ok(message) = feed.messages.try_recv() {
            seen.push(message);
        }
        assert_eq!((seen.len(), seen[0].as_str()), (256, "0"));
        assert_eq!(hub.lost.load(Ordering::Relaxed), 44);
    }

    #[test]
    fn a_second_connection_ends_the_first_and_a_stranger_gets_nothing() {
        let (hub, client) = hub();
        hub.create(id(1), (TENANT, client), at(0));
        let text = id(1).to_string();
        let first = hub.connect(&text, at(1)).unwrap();
        let second = hub.connect(&text, at(2)).unwrap();
        assert!(first.messages.is_closed() && !second.messages.is_closed());
        hub.disconnected(&text, first.number, at(3));
        assert!(
            !second.messages.is_closed(),
            "it was not the first that ended"
        );
        assert!(hub.connect(&id(2).to_string(), at(3)).is_none());
        assert_eq!(hub.cut_all(), 1);
        assert!(second.messages.is_closed());
    }
}
