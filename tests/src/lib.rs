//! Acceptance tests: see `acceptance/`.
