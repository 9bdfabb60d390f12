//! The one query that is admitted: parsed, checked against what is granted, and printed again.
