//! The scenario format: what it means, what it rejects and how it says so.

mod files;
mod meaning;
mod near_misses;
mod properties;
mod rejected;
mod schema;
mod writing;
