//! Places that clients share: so many for all, so many for each.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::attempts::counted_as;

/// How many each has.
#[derive(Debug)]
struct Shares<K> {
    most: usize,
    most_of_one: usize,
    taken: Mutex<HashMap<K, usize>>,
}

impl<K: Hash + Eq + Clone> Shares<K> {
    /// One more for `key`; none: it has what one may have, or nothing is left for anybody.
    fn take(self: &Arc<Self>, key: K) -> Option<Share<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let has = taken.get(&key).copied().unwrap_or_default();
        if has >= self.most_of_one || taken.values().sum::<usize>() >= self.most {
            return None;
        }
        taken.insert(key.clone(), has + 1);
        Some(Share { shares: Arc::clone(self), key })
    }
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Hash + Eq> {
    shares: Arc<Shares<K>>,
    key: K,
}

impl<K: Hash + Eq> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(has) = taken.get_mut(&self.key) {
            *has -= 1;
            if *has == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// Places of connections.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    shares: Arc<Shares<IpAddr>>,
}

/// Of a connection, for as long as it lasts.
#[derive(Debug)]
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_one: Share<IpAddr>,
}

impl Places {
    pub fn new(most: usize, most_of_one: usize) -> Self {
        let shares = Shares { most: usize::MAX, most_of_one, taken: Mutex::default() };
        Self { all: Arc::new(Semaphore::new(most)), shares: Arc::new(shares) }
    }

    /// A place, once there is one; none at once: this address has what one may have.
    pub async fn take(&self, address: IpAddr) -> Option<Place> {
        // The address's first: a client that has too many shall not keep others waiting behind it.
        let of_one = self.shares.take(counted_as(address))?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of_all: of_all, _of_one: of_one })
    }
}

/// Places of streams, by the id of a token.
#[derive(Debug)]
pub(crate) struct Streams(Arc<Shares<String>>);

/// Of a stream, for as long as it lasts.
pub(crate) type StreamPlace = Share<String>;

impl Streams {
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Shares { most, most_of_one, taken: Mutex::default() }))
    }

    /// A place; none: the token has what one may have, or all are taken.
    pub fn take(&self, token_id: &str) -> Option<StreamPlace> {
        self.0.take(token_id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_token_cannot_take_all_places_and_what_ends_makes_room() {
        let streams = Streams::new(5, 3);
        let mut taken = Vec::new();
        for (token, granted) in
            [("a", true), ("a", true), ("a", true), ("a", false), ("b", true), ("b", true), ("b", false), ("c", false)]
        {
            let place = streams.take(token);
            assert_eq!(place.is_some(), granted, "{token} after {}", taken.len());
            taken.extend(place);
        }
        drop(taken.pop());
        assert!(streams.take("a").is_none(), "a has three still");
        assert!(streams.take("c").is_some());
        drop(taken);
        assert!(streams.0.taken.lock().unwrap().is_empty(), "who has none is forgotten");
    }

    #[tokio::test]
    async fn an_address_with_too_many_connections_is_turned_away_and_others_wait() {
        let places = Arc::new(Places::new(3, 2));
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let first = places.take(address(1)).await.unwrap();
        let _second = places.take(address(1)).await.unwrap();
        assert!(places.take(address(1)).await.is_none());
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert!(places.take(mapped).await.is_none(), "the same address");
        let _third = places.take(address(2)).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(20), places.take(address(3))).await;
        assert!(waits.is_err());
        drop(first);
        assert!(places.take(address(3)).await.is_some());
    }
}
