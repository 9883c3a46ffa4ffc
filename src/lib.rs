//! Vitrine: a glass case for looking inside language models.
