//! The system's PC/SC service as a backend.
