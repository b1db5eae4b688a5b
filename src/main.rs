//! The program `vestibule`.

fn main() {}
