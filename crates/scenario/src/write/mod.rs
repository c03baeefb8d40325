//! From the model back to TOML: what a reader of the text would get is what was written.

mod gate;
mod pages;
mod value;

pub use gate::gate;
pub use pages::gate_tables;
