//! Nothing by itself: the hostile node is the test `hostile`.
