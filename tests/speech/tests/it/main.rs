//! The measures against their reference, and Wardline's sound against the measures.
#[cfg(test)]
mod call;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod support;
#[cfg(test)]
mod voice;
