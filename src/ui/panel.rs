//! Panels: one a question.

pub mod attention;
