//! Real sockets on the loopback: what members see of each other, and what strangers do not.
