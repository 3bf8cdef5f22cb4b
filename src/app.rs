//! The composition root: the commands.
