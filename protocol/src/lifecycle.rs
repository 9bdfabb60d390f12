//! The phases of a task at one TRE, and the only ways from one to the next.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Where a task stands at one TRE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Known here; not yet decided (the component may still be on its way).
    Received,
    /// A Safe said no.
    Refused,
    /// Every Safe said yes; waits for its turn.
    Admitted,
    /// The component runs.
    Running,
    /// The component, or its outputs, were not usable.
    Failed,
    /// The outputs wait in custody for attestations.
    Held,
    /// The data owners said no to every output.
    Withheld,
    /// The attested outputs may leave.
    Released,
    /// Called back.
    Cancelled,
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Every Safe said yes.
    Admit,
    /// A Safe said no.
    Refuse,
    /// Its turn came.
    Start,
    /// The component failed.
    Fail,
    /// The outputs were checked and taken into custody.
    Hold,
    /// A quorum approved.
    Approve,
    /// The data owners refused every output.
    Withhold,
    /// Called back.
    Cancel,
}

/// An event that the phase does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a task that is {phase} cannot {event:?}")]
pub struct InvalidTransition {
    /// The phase.
    pub phase: Phase,
    /// The event.
    pub event: Event,
}

/// The next phase, or why there is none.
///
/// # Errors
/// [`InvalidTransition`] for every pair that is not listed; terminal phases allow nothing.
pub fn next(phase: Phase, event: Event) -> Result<Phase, InvalidTransition> {
    match (phase, event) {
        (Phase::Received, Event::Admit) => Ok(Phase::Admitted),
        // A task can be refused until it starts: people and projects are asked again just before.
        (Phase::Received | Phase::Admitted, Event::Refuse) => Ok(Phase::Refused),
        (Phase::Admitted, Event::Start) => Ok(Phase::Running),
        (Phase::Running, Event::Fail) => Ok(Phase::Failed),
        (Phase::Running, Event::Hold) => Ok(Phase::Held),
        (Phase::Held, Event::Approve) => Ok(Phase::Released),
        (Phase::Held, Event::Withhold) => Ok(Phase::Withheld),
        (Phase::Received | Phase::Admitted | Phase::Running | Phase::Held, Event::Cancel) => Ok(Phase::Cancelled),
        (
            Phase::Received
            | Phase::Refused
            | Phase::Admitted
            | Phase::Running
            | Phase::Failed
            | Phase::Held
            | Phase::Withheld
            | Phase::Released
            | Phase::Cancelled,
            Event::Admit
            | Event::Refuse
            | Event::Start
            | Event::Fail
            | Event::Hold
            | Event::Approve
            | Event::Withhold
            | Event::Cancel,
        ) => Err(InvalidTransition { phase, event }),
    }
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Refused,
        Self::Admitted,
        Self::Running,
        Self::Failed,
        Self::Held,
        Self::Withheld,
        Self::Released,
        Self::Cancelled,
    ];

    /// Whether nothing can follow.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Received | Self::Admitted | Self::Running | Self::Held => false,
            Self::Refused | Self::Failed | Self::Withheld | Self::Released | Self::Cancelled => true,
        }
    }

    /// How far along a task is: a later word of a TRE never goes back.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Received => 0,
            Self::Admitted => 1,
            Self::Running => 2,
            Self::Held => 3,
            Self::Refused | Self::Failed | Self::Withheld | Self::Released | Self::Cancelled => 4,
        }
    }

    /// The word for people and for JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Refused => "refused",
            Self::Admitted => "admitted",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Withheld => "withheld",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
        }
    }

    /// GA4GH TES 1.1 `tesState`. TES has no word for "awaiting review" or "rejected"; COMPLETE comes only after release.
    #[must_use]
    pub fn tes_state(self) -> &'static str {
        match self {
            Self::Received => "QUEUED",
            Self::Admitted => "INITIALIZING",
            Self::Running | Self::Held => "RUNNING",
            Self::Released => "COMPLETE",
            Self::Failed => "EXECUTOR_ERROR",
            Self::Refused | Self::Withheld => "SYSTEM_ERROR",
            Self::Cancelled => "CANCELED",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Phase, next};

    const EVENTS: [Event; 8] = [
        Event::Admit,
        Event::Refuse,
        Event::Start,
        Event::Fail,
        Event::Hold,
        Event::Approve,
        Event::Withhold,
        Event::Cancel,
    ];

    /// The whole table: every pair that is allowed, and no other.
    #[test]
    fn the_table_is_exactly_this() {
        let allowed = [
            (Phase::Received, Event::Admit, Phase::Admitted),
            (Phase::Received, Event::Refuse, Phase::Refused),
            (Phase::Received, Event::Cancel, Phase::Cancelled),
            (Phase::Admitted, Event::Start, Phase::Running),
            (Phase::Admitted, Event::Refuse, Phase::Refused),
            (Phase::Admitted, Event::Cancel, Phase::Cancelled),
            (Phase::Running, Event::Fail, Phase::Failed),
            (Phase::Running, Event::Hold, Phase::Held),
            (Phase::Running, Event::Cancel, Phase::Cancelled),
            (Phase::Held, Event::Approve, Phase::Released),
            (Phase::Held, Event::Withhold, Phase::Withheld),
            (Phase::Held, Event::Cancel, Phase::Cancelled),
        ];
        for phase in Phase::ALL {
            for event in EVENTS {
                let expected = allowed.iter().find(|(p, e, _)| (*p, *e) == (phase, event)).map(|(_, _, to)| *to);
                assert_eq!(next(phase, event).ok(), expected, "{phase} {event:?}");
            }
        }
    }

    #[test]
    fn terminal_phases_are_terminal() {
        for phase in Phase::ALL {
            let moves = EVENTS.iter().any(|event| next(phase, *event).is_ok());
            assert_eq!(moves, !phase.is_terminal(), "{phase}");
        }
    }

    #[test]
    fn released_is_reachable_only_by_approval_of_what_is_held() {
        for phase in Phase::ALL {
            for event in EVENTS {
                if next(phase, event) == Ok(Phase::Released) {
                    assert_eq!((phase, event), (Phase::Held, Event::Approve));
                }
            }
        }
    }

    #[test]
    fn complete_means_released() {
        for phase in Phase::ALL {
            assert_eq!(phase.tes_state() == "COMPLETE", phase == Phase::Released);
        }
    }
}
