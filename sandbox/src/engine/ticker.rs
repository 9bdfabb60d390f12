//! The clock that interrupts components: a thread of its own, so that a component that never yields cannot starve it, asleep while nothing runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a component runs before it yields to the executor.
const TICK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct State {
    runs: usize,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread; it ends with this value.
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

/// While this lives, epochs advance.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(super) fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, theirs) = (engine.clone(), Arc::clone(&shared));
        let clock = move || {
            let mut state = theirs.lock();
            while !state.stopped {
                if state.runs == 0 {
                    state = theirs.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                } else {
                    drop(state);
                    std::thread::sleep(TICK);
                    engine.increment_epoch();
                    state = theirs.lock();
                }
            }
        };
        std::thread::Builder::new().name("sandbox-epochs".into()).stack_size(64 * 1024).spawn(clock)?;
        Ok(Self { shared })
    }

    pub(super) fn tick(&self) -> Ticking {
        self.shared.lock().runs += 1;
        self.shared.changed.notify_one();
        Ticking { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.lock().runs -= 1;
    }
}
