//! Many nodes on one machine: simulated ones in one thread, or real ones as processes.
//!
//! | room | what lives there |
//! |---|---|
//! | `cluster` | a real federation: a hub and three TREs as processes, founded by the real verbs |
//! | `crowd`, `proxy`, `liar` | many whole nodes in this process, without a sandbox; a line between two of them that can be cut and held up; a member that changes answers |
//! | `demo`, `up` | the whole way of a task, shown; the same federation left running |
//! | `hospital` | the same in network namespaces: TREs behind firewalls that let nothing in, one behind a proxy too |
//! | `analyse` | components over given data sets, merged as a researcher merges them: for comparison with other people's statistics |
//! | `corpus` | labelled outputs, parity with ACRO and hidden data: how well the rules tell safe from disclosive |
//! | `bench` | figures beside baselines that were measured in the same run |
//! | `fixture` | seeded data and keys, and the referee that computes the expected figures |
//! | `sim`, `scenario`, `event`, `invariant` | the simulator of pure cores and what must hold after every event |
//! | `simulate` | its two commands |
//! | `thousand` (a workspace of its own) | a thousand members in virtual time, by a node's own gossip |
//! | `transfer` | a large result through a hub that is killed again and again, and what that costs |
//! | `narrate` | the voice of the demo |

pub mod analyse;
pub mod bench;
pub mod cluster;
pub mod corpus;
pub mod crowd;
pub mod demo;
pub mod event;
pub mod fixture;
pub mod hospital;
pub mod invariant;
pub mod liar;
pub mod narrate;
pub mod proxy;
pub mod scenario;
pub mod sim;
pub mod simulate;
pub mod transfer;
pub mod up;
