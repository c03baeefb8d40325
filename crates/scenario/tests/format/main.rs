//! The scenario format: what it means, what it rejects and how it says so.

mod files;
mod meaning;
mod properties;
mod rejected;
mod schema;
mod writing;
