//! Every self-metric: name, unit, help; logging set-up.
