//! Dumb marks: each draws a view model and knows nothing else.
