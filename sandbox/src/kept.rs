//! A memory with room for so many things, which forgets the oldest.

use std::collections::{HashMap, VecDeque};

/// What was added last, by id.
pub(crate) struct Kept<V> {
    most: usize,
    values: HashMap<String, V>,
    oldest_first: VecDeque<String>,
}

impl<V> Kept<V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            values: HashMap::new(),
            oldest_first: VecDeque::new(),
        }
    }

    pub(crate) fn insert(&mut self, id: &str, value: V) {
        if self.values.insert(id.to_owned(), value).is_some() {
            return;
        }
        self.oldest_first.push_back(id.to_owned());
        if self.oldest_first.len() > self.most
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.values.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&V> {
        self.values.get(id)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.oldest_first.iter().filter_map(|id| self.get(id))
    }

    pub(crate) fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        self.values.retain(|_, value| wanted(value));
        let values = &self.values;
        self.oldest_first.retain(|id| values.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_when_the_room_is_used_up() {
        let mut kept = Kept::new(2);
        for id in ["a", "b", "b", "c"] {
            kept.insert(id, id);
        }

        assert_eq!(kept.iter().copied().collect::<Vec<_>>(), ["b", "c"]);
        kept.retain(|id| *id == "b");
        assert_eq!((kept.get("b"), kept.get("c")), (Some(&"b"), None));
    }
}
