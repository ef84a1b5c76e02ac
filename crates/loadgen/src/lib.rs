//! The load generator and side-by-side benchmarks of Fanfare.
