//! What the end-to-end stories and fault tests share.
