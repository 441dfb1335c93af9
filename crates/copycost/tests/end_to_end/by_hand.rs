//! `verify`, and both ends by hand.
