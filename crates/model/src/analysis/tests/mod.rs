//! Histories by hand, histories at random, and the simulator's.

mod hand;
mod random;
mod world;
