//! Nothing by itself: the schedules are the test `schedules`.
