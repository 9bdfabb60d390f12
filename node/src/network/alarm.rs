//! An alarm when a node stands nearly alone: who cuts off a node's peers could keep a revocation from it, or show it a world of his own.

use std::time::{Duration, Instant};

/// How many of the peers that the settings name have to be connected, where they name as many.
const ENOUGH: usize = 2;

/// For how long there may be fewer before anybody is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Since when there have been too few. Time is an argument.
pub(super) struct Alarm {
    wanted: usize,
    few_since: Option<Instant>,
    told: bool,
}

impl Alarm {
    /// Over `named` peers, of which none is connected at `now`.
    pub(super) fn new(named: usize, now: Instant) -> Self {
        let wanted = named.min(ENOUGH);
        Self { wanted, few_since: (wanted > 0).then_some(now), told: false }
    }

    /// So many of them are connected at `now`. Gives `true` where that ends an alarm.
    pub(super) fn connected(&mut self, count: usize, now: Instant) -> bool {
        if count < self.wanted {
            self.few_since.get_or_insert(now);
            return false;
        }
        self.few_since = None;
        std::mem::take(&mut self.told)
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.few_since.filter(|_| !self.told).map(|since| since + PATIENCE)
    }

    /// Whether the alarm begins at `now`; once for each time that there are too few.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        let begins = self.next().is_some_and(|at| at <= now);
        self.told |= begins;
        begins
    }

    /// Whether too few are connected, and have been for longer than a restart takes.
    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.few_since.is_some_and(|since| now.duration_since(since) >= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_10_fewer_than_two_for_a_minute_is_an_alarm_once() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut alarm = Alarm::new(3, start);
        assert!(!alarm.begins(after(59)) && !alarm.is_on(after(59)));
        alarm.connected(1, after(59));
        assert_eq!(alarm.next(), Some(after(60)));
        assert!(alarm.begins(after(60)) && alarm.is_on(after(61)));
        assert!(!alarm.begins(after(62)), "told once");
        assert_eq!(alarm.next(), None);
        assert!(alarm.connected(2, after(70)), "and over");
        assert!(!alarm.is_on(after(200)) && !alarm.connected(3, after(80)));
        alarm.connected(1, after(90));
        assert_eq!(alarm.next(), Some(after(150)));
        assert!(!alarm.connected(2, after(100)), "a short cut is no alarm");
    }

    #[test]
    fn who_names_one_peer_or_none_is_alone_with_none() {
        let start = Instant::now();
        assert_eq!(Alarm::new(0, start).next(), None);
        let mut one = Alarm::new(1, start);
        assert!(one.begins(start + PATIENCE));
        assert!(one.connected(1, start + PATIENCE));
    }
}
