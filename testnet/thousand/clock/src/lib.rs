//! A clock for each thread that stands still until nothing is left to do, and then jumps to the next timer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The time at which a thread begins: late enough that nobody reckons back to before it.
const BEGIN: Duration = Duration::from_secs(86_400);

thread_local! {
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock { now: BEGIN, timers: BTreeMap::new(), timer: 0 }) };
}

struct Clock {
    now: Duration,
    /// Who waits, by when and by the number of the timer.
    timers: BTreeMap<(Duration, u64), Waker>,
    timer: u64,
}

/// Goes on to the next timer and wakes whoever waits for it. False, and the clock is at `end`, where none is due until then.
pub fn advance(end: Instant) -> bool {
    let due = CLOCK.with_borrow_mut(|clock| {
        let next = clock.timers.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= end.0);
        clock.now = clock.now.max(next.unwrap_or(end.0));
        let now = clock.now;
        let mut due = Vec::new();
        while let Some(first) = clock.timers.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove());
        }
        due
    });
    let any = !due.is_empty();
    due.into_iter().for_each(Waker::wake);
    any
}

/// [`std::time::Instant`] by this clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(CLOCK.with_borrow(|clock| clock.now))
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// How much later it is than `earlier`; nothing where it is not.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// As [`Instant::duration_since`].
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// How much later it is than `earlier`, if it is.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    /// Later by so much, where there is such a time.
    #[must_use]
    pub fn checked_add(&self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).map(Self)
    }

    /// Earlier by so much, where there is such a time.
    #[must_use]
    pub fn checked_sub(&self, time: Duration) -> Option<Self> {
        self.0.checked_sub(time).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, time: Duration) {
        self.0 += time;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0 - time)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, time: Duration) {
        self.0 -= time;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// A future that is ready after a time, as `futures_timer::Delay`.
#[derive(Debug)]
pub struct Delay {
    at: Duration,
    timer: u64,
}

impl Delay {
    /// Ready after this time from now.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        CLOCK.with_borrow_mut(|clock| {
            clock.timer += 1;
            Self { at: clock.now.saturating_add(time), timer: clock.timer }
        })
    }

    /// Ready after this time from now instead.
    pub fn reset(&mut self, time: Duration) {
        *self = Self::new(time);
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        CLOCK.with_borrow_mut(|clock| {
            if clock.now >= self.at {
                return Poll::Ready(());
            }
            clock.timers.insert((self.at, self.timer), context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        // Where the thread ends, so do its timers.
        let waker = CLOCK.try_with(|clock| clock.try_borrow_mut().ok()?.timers.remove(&(self.at, self.timer)));
        drop(waker);
    }
}
