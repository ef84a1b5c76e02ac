//! How a Fanfare binary starts, reports and stops.
