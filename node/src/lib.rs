//! The node: the only crate with sockets, disk, clock and threads, and the `quintes` command line of all three kinds of people.
//!
//! | room | what lives there |
//! |---|---|
//! | [`service`] | a running node, put together and taken apart |
//! | [`trial`] | the same run and the same checks on an author's own machine |
//! | [`driver`] | the one loop that owns the core and its journal: records first, then effects |
//! | [`effects`], [`execute`] | what the core asks for; running a component and checking its outputs |
//! | [`exchange`], `rounds`, [`network`] | other members: direct streams, when to go round with whom, gossip, admission |
//! | [`mod@slice`], [`arrival`], [`mailbox`] | released files: proven stretch by stretch, on their way, kept by a hub |
//! | [`door`], [`notices`] | people on this machine; telling people that something waits |
//! | [`journal`], [`custody`], [`ledger`], [`store`], [`identity`] | what lies on disk: records, held outputs, who stood behind what left, blobs, keys |
//! | [`config`], [`dataset`], [`statements`] | `node.toml`; the datasets that it names, opened; statement files |
//! | [`catalogue`], [`schema`] | components that come with the program; what a dataset looks like |
//! | [`cli`] | one verb a file |

pub mod arrival;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod custody;
pub mod dataset;
pub mod descriptors;
pub mod door;
pub mod driver;
pub mod effects;
pub mod exchange;
pub mod execute;
pub mod folder;
pub mod identity;
pub mod journal;
pub mod ledger;
pub mod logbook;
pub mod mailbox;
pub mod network;
pub mod notices;
pub mod page;
pub mod plot;
pub mod review;
mod rounds;
pub mod schema;
pub mod service;
pub mod slice;
pub mod statements;
pub mod store;
pub mod trial;
