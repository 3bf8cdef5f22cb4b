//! The engine: workers, schedules, quotas. Knows no cloud.
